"""Errors that a user can mend: each is one clear line, never a traceback."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from blur_fusion.startup import keep_heap


class BlurError(Exception):
    """Something is wrong with the input; the message says which, what and what to do."""


TOO_LARGE = "is too large for the memory of this machine"


def require(condition: bool, message: str) -> None:
    """Raise :class:`BlurError` with `message` unless `condition` holds."""
    if not condition:
        raise BlurError(message)


def one_line(error: BaseException) -> str:
    """The error's message, or its type where it has none; at most 300 characters."""
    return " ".join(str(error).split())[:300] or type(error).__name__


# What only the extra `train` brings and the stages, `blur test` and `blur data` import.
TRAIN_MODULES = ("tensorflow", "keras", "sklearn", "openpyxl", "skimage", "onnx")


def needs_train_line(what: str) -> str:
    """One line saying that `what` needs the extra `train`."""
    return f"{what} needs the extra 'train': pip install 'blur-fusion[train]'"


def train_installed() -> bool:
    """Whether the extra `train` is installed; imports nothing heavy."""
    try:
        return all(importlib.util.find_spec(module) is not None for module in TRAIN_MODULES)
    except (ImportError, ValueError):
        return False


@contextmanager
def one_line_errors(train: str = "", code: int = 1) -> Iterator[None]:
    """Print a :class:`BlurError` of the body as `error: ...` on stderr and exit with `code`.

    The same for an OSError that names a file, such as a folder without permission. Also a
    decorator. If `train` names what the body is, it runs only if the extra `train` is installed.
    """
    try:
        require(not train or train_installed(), needs_train_line(train))
        yield
    except (BlurError, OSError) as error:
        line = str(error)
        if isinstance(error, OSError):
            if error.filename is None:  # a closed pipe, say
                raise
            line = f"{error.filename}: cannot be used ({error.strerror})"
        print(f"error: {line}", file=sys.stderr)
        sys.exit(code)


def run(main: Callable[[], None]) -> None:
    """Call `main` of a stage, which needs the extra `train`; user errors are one line.

    Stages import heavy modules inside `main`, so that a missing extra is reported before anything
    is written.
    """
    with one_line_errors("this stage"):
        keep_heap()
        main()
