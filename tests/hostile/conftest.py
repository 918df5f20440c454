"""`make hostile` runs everything and prints a table; `make test` runs a short form."""

from typing import Any

import pytest

from forked import Results

RESULTS: Results = []


@pytest.fixture(scope="session")
def results() -> Results:
    return RESULTS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if RESULTS:
        terminalreporter.write_sep("=", "hostile input")
        terminalreporter.write_line(f"{'what':44}{'number':>8}{'failures':>10}{'peak MB':>9}")
        for what, number, failures, peak in RESULTS:
            terminalreporter.write_line(f"{what:44}{number:8}{failures:10}{peak:9.0f}")
