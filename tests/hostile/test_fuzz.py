"""Mutated files of every format give an image or one line, in bounded time and memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import InputSpec, Photo
from forked import WHOLE, Results, forked_call
from hostile_files import fuzz_seeds

FILES = 20_000 if WHOLE else 500
MEMORY, SECONDS = 1500, 5  # MB of a process; of a file
SEEDS = fuzz_seeds()
NUMBERS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0", b"\xff\xff", bytes(4), b"\xff" * 4)
NUMBERS += (b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80", b"\0\1\0\1")

# A place in the file, most often near its head, and the edit made there.
places = st.integers(0, 1_000_000).map(lambda n: n**2 / 1e12)
edits = st.one_of(
    st.tuples(st.just("put"), places, st.one_of(st.sampled_from(NUMBERS), st.binary(max_size=8))),
    st.tuples(st.just("insert"), places, st.binary(max_size=40)),
    st.tuples(st.just("drop"), places, st.integers(1, 400)),
    st.tuples(st.just("repeat"), places, st.integers(1, 400)),
    st.tuples(st.just("cut"), places, st.just(0)),
)


def mutated(data: bytes, changes: list[tuple[str, float, bytes | int]]) -> bytes:
    for kind, place, value in changes:
        at = int(place * len(data))
        if isinstance(value, bytes):
            end = at + (len(value) if kind == "put" else 0)
            data = data[:at] + value + data[end:]
        elif kind == "cut":
            data = data[:at]
        else:
            part = data[at : at + value] * 2 if kind == "repeat" else b""
            data = data[:at] + part + data[at + value :]
    return data


def decode_mutated(name: str, number: int, found: str) -> None:
    """Decode `number` mutations of a seed; the file `found` holds the last one."""
    from faulthandler import dump_traceback_later

    place = Path(found)

    @seed(20)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(edits, min_size=1, max_size=4))
    def decode(changes: list[tuple[str, float, bytes | int]]) -> None:
        data = mutated(SEEDS[name], changes)
        place.write_bytes(data)
        dump_traceback_later(SECONDS, exit=True)
        try:
            image = Photo(place).image(InputSpec(768))
        except BlurError as error:
            assert "\n" not in str(error)
        else:
            assert max(image.shape) <= 768

    decode()


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files(name: str, tmp_path: Path, results: Results) -> None:
    number, found = FILES // len(SEEDS) + 1, tmp_path / f"last{Path(name).suffix or name}"
    words = ("decode_mutated", name, number, str(found))
    ran = forked_call(__file__, *words, limit=number, memory=MEMORY)
    results.append((f"decode mutated {name}", number, int(ran.code != 0), ran.peak))
    assert ran.code == 0, f"{found.read_bytes()[:300]!r}: {ran.code} {ran.err[-1500:]}"
