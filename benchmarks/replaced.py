"""Replace a module's constant or function for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

Replacement = tuple[ModuleType, str, Any]  # module, name in it, what it is to be


@contextmanager
def replaced(replacements: Iterable[Replacement]) -> Iterator[None]:
    """Set each name, and set all back at the end.

    Raises
    ------
    AttributeError
        A module has no such name: what was to be left out has moved.
    """
    before = []
    try:
        for module, name, value in replacements:
            before.append((module, name, getattr(module, name)))
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in reversed(before):
            setattr(module, name, value)
