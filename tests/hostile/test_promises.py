"""docs/reliability.md names tests that are there."""

from __future__ import annotations

import re

from trees import REPOSITORY


def test_each_promise_names_its_test() -> None:
    rows = [
        line
        for line in (REPOSITORY / "docs/reliability.md").read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| promise")
    ]
    assert len(rows) >= 25
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            text = (REPOSITORY / file).read_text("utf-8")
            assert re.search(rf"^def {test}\(", text, re.MULTILINE), f"{file}::{test}"
