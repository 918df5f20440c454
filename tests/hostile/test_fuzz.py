"""Mutated files of every format give an image or one line, in bounded time and memory."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import InputSpec, Photo
from forked import WHOLE, Results, forked, of_file
from hostile_files import SEEDS

FILES = 20_000 if WHOLE else 500
MEMORY, SECONDS = 1500, 5  # MB of a process; of a file
NUMBERS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0", b"\xff\xff", bytes(4), b"\xff" * 4)
NUMBERS += (b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80", b"\0\1\0\1")

# A place in the file, most often near its head; how many bytes go there; what comes, or how many
# of the bytes there come twice.
places = st.integers(0, 1_000_000).map(lambda n: n**2 / 1e12)
parts, sizes = st.sampled_from(NUMBERS) | st.binary(max_size=40), st.integers(1, 400)
edits = st.one_of(
    st.builds(lambda place, part: (place, len(part), part), places, parts),
    st.tuples(places, st.just(0), parts | sizes),
    st.tuples(places, sizes | st.just(1 << 40), st.just(b"")),
)
Edits = list[tuple[float, int, bytes | int]]


def mutated(data: bytes, changes: Edits) -> bytes:
    for place, gone, part in changes:
        at = int(place * len(data))
        come = data[at : at + part] if isinstance(part, int) else part
        data = data[:at] + come + data[at + gone :]
    return data


def decode_mutated(name: str, number: str, found: str) -> None:
    """Decode `number` mutations of a seed; the file `found` holds the last one."""
    from faulthandler import dump_traceback_later

    place, calm = Path(found), {"suppress_health_check": list(HealthCheck), "deadline": None}

    @seed(20)
    @settings(max_examples=int(number), database=None, phases=[Phase.generate], **calm)
    @given(st.lists(edits, min_size=1, max_size=4))
    def decode(changes: Edits) -> None:
        place.write_bytes(mutated(SEEDS[name], changes))
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
    words = (of_file, __file__, "decode_mutated", name, number, found)
    ran = forked(*words, folder=tmp_path, limit=number, memory=MEMORY)
    results.append((f"decode mutated {name}", number, int(ran.code != 0), ran.peak))
    assert ran.code == 0, f"{found.read_bytes()[:300]!r}: {ran.code} {ran.err[-1500:]}"
