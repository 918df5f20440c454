"""The optional parts of the installation, and the line that names one that is missing."""

from __future__ import annotations

import importlib.util

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
