"""`make hostile` runs all of it and prints what came of it; `make test` a short form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from forked import Forks, Results

RESULTS: Results = []


@pytest.fixture(scope="session")
def results() -> Results:
    """Takes a line of the table that is printed at the end."""
    return RESULTS


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A server that forks for each run."""
    with Forks() as server:
        yield server


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if RESULTS:
        terminalreporter.write_sep("=", "hostile input")
        terminalreporter.write_line(f"{'what':44}{'number':>8}{'failures':>10}{'peak MB':>9}")
        for what, number, failures, peak in RESULTS:
            terminalreporter.write_line(f"{what:44}{number:8}{failures:10}{peak:9.0f}")
