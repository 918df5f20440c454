"""What the library answers is what it answered when golden.json was recorded."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from golden_values import FILE, GROUPS

RECORDED: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))


def _other(name: str, found: Any, recorded: Any, tolerance: float) -> list[str]:
    """Lines that name each number or text that is not as `recorded`."""
    if isinstance(recorded, str):
        return [] if found == recorded else [f"{name}: {found}, was {recorded}"]
    if isinstance(recorded, dict):  # what was added since is not compared
        lost = [f"{name}: {key} is gone" for key in recorded if key not in found]
        keys = [key for key in recorded if key in found]
        names = [f"{name}: {key}" for key in keys]
        new, old = [found[key] for key in keys], [recorded[key] for key in keys]
    else:
        lost = [] if len(found) == len(recorded) else [f"{name}: {len(found)} numbers"]
        names = [f"{name}[{place}]" for place in range(len(recorded))]
        new, old = found, recorded
    apart = ~(np.abs(np.subtract(new, old)) <= tolerance * (1 + np.abs(old))) if not lost else []
    return lost + [f"{names[k]}: {new[k]:.9g}, was {old[k]:.9g}" for k in np.flatnonzero(apart)]


@pytest.mark.parametrize("group", GROUPS)
def test_answers_are_those_recorded(group: str) -> None:
    function, tolerance = GROUPS[group]
    found, recorded = function(), RECORDED[group]
    assert recorded.keys() <= found.keys(), f"{group}: gone: {recorded.keys() - found.keys()}"
    lines = [
        line for name in recorded for line in _other(name, found[name], recorded[name], tolerance)
    ]
    shown = "\n".join(lines[:12])
    assert not lines, (
        f"{group}: {len(lines)} values are not as recorded, within {tolerance}\n{shown}"
    )


def test_another_number_is_named() -> None:
    assert _other("p", {"a": 1.0, "new": 9.0}, {"a": 1.00001}, 1e-4) == []
    assert _other("p", {"a": 1.0}, {"a": 1.1}, 1e-4) == ["p: a: 1, was 1.1"]
    assert _other("p", [1.0, float("nan")], [1.0, 2.0], 1e-4) == ["p[1]: nan, was 2"]
    assert _other("p", {}, {"a": 1.0}, 1e-4) == ["p: a is gone"]
    assert _other("p", [1.0], [1.0, 2.0], 1e-4) == ["p: 1 numbers"]
