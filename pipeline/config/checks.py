"""What the sections of params.yaml demand of their values; each names the section and the value."""

from __future__ import annotations

from pipeline.config.errors import require


def positive(section: str, **values: float) -> None:
    """Refuse values that are not above 0, infinity and NaN too."""
    for name, value in values.items():
        finite = 0 < value < float("inf")
        require(finite, f"params: {section}.{name} is {value}, must be above 0 and finite")


def not_negative(section: str, **values: float) -> None:
    """Refuse values below 0, infinity and NaN too."""
    for name, value in values.items():
        finite = 0 <= value < float("inf")
        require(finite, f"params: {section}.{name} is {value}, must be at least 0 and finite")


def sizes(section: str, name: str, values: tuple[int, ...]) -> None:
    """Refuse lists of layer sizes that hold a number below 1."""
    every = all(value > 0 for value in values)
    require(every, f"params: {section}.{name} is {list(values)}, must be numbers above 0")


def fraction(section: str, **values: float) -> None:
    """Refuse values that do not lie between 0 and 1."""
    for name, value in values.items():
        require(0 < value < 1, f"params: {section}.{name} is {value}, must lie between 0 and 1")


def below_one(section: str, **values: float) -> None:
    """Refuse values that are not at least 0 and below 1."""
    for name, value in values.items():
        require(0 <= value < 1, f"params: {section}.{name} is {value}, must be in 0..1, below 1")
