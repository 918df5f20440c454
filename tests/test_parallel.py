"""A map over threads keeps order, memory and errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blur_fusion.parallel import ordered_map


def test_ordered_map_keeps_order_and_reads_little_ahead() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = ordered_map(lambda number: number * 2, source(), workers=2)
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    assert len(taken) <= 8
    assert list(results) == list(range(6, 200, 2))


def test_ordered_map_hands_on_errors() -> None:
    results = ordered_map(lambda number: 1 / number, [1, 0, 2], workers=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
