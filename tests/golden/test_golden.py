"""What the library answers is what it answered when golden.json was recorded."""

import json

import numpy as np
import pytest
from golden_values import FILE, GROUPS

RECORDED = json.loads(FILE.read_text("utf-8"))


@pytest.mark.parametrize("group", GROUPS)
def test_answers_are_those_recorded(group: str) -> None:
    function, tolerance = GROUPS[group]
    found = function()
    for name, old in RECORDED[group].items():
        new = found[name]
        if isinstance(old, str):
            assert new == old, name
            continue
        if isinstance(old, dict):  # what was added since is not compared
            new, old = ([of[key] for key in old] for of in (new, old))
        line = f"{group}: {name} is not as recorded"
        np.testing.assert_allclose(new, old, rtol=tolerance, atol=tolerance, err_msg=line)
