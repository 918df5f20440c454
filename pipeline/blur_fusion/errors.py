"""Errors that a user can mend: each is one clear line, never a traceback."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable

from blur_fusion.startup import keep_heap


class BlurError(Exception):
    """Something is wrong with the input; the message says which, what and what to do."""


def require(condition: bool, message: str) -> None:
    """Raise :class:`BlurError` with `message` unless `condition` holds."""
    if not condition:
        raise BlurError(message)


# What only the extra `train` brings and the stages, `blur test` and `blur data` import.
TRAIN_MODULES = ("tensorflow", "keras", "sklearn", "openpyxl", "skimage", "onnx")


def needs_train_line(what: str) -> str:
    """Say in one line that `what` needs the extra `train`."""
    return f"{what} needs the extra 'train': pip install 'blur-fusion[train]'"


def train_installed() -> bool:
    """Whether the extra `train` is there; nothing heavy is imported to find out."""
    try:
        return all(importlib.util.find_spec(module) is not None for module in TRAIN_MODULES)
    except (ImportError, ValueError):
        return False


def run(main: Callable[[], None]) -> None:
    """Call `main`; a :class:`BlurError` is printed as one line and ends with status 1.

    So does the lack of the extra `train`, which is found out before anything is written: stages
    import what they need inside `main`.
    """
    try:
        if not train_installed():
            raise BlurError(needs_train_line("this stage"))
        keep_heap()
        main()
    except BlurError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
