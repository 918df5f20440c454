"""The benchmarks of speed and growth: copies, fair turns, and the tables."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.growth import grown
from benchmarks.speed import Files, Program, as_text, compete, repeat, speed_command, versions
from blur_fusion.data.layouts import open_dataset
from blur_fusion.errors import BlurError
from pictures import noise, save
from trees import Tree


@pytest.fixture
def files(folder_tree: Tree, tmp_path: Path) -> Files:
    return repeat(open_dataset(folder_tree(scenes=2)), 10, "own", tmp_path / "work" / "photos")


def test_photos_are_repeated_to_the_count(files: Files, tmp_path: Path) -> None:
    copies = sorted(files.folder.iterdir())
    assert len(copies) == files.count == 10
    assert list(files.labels) == [path.name for path in copies[:4]]
    for copy, first in zip(copies, copies[:4] * 3, strict=False):
        label = ("sharp", "blurred")[files.labels[first.name]]
        originals = [path.read_bytes() for path in (tmp_path / "own" / label).iterdir()]
        assert copy.read_bytes() == first.read_bytes() in originals
    assert sorted(files.labels.values()) == [0, 0, 1, 1]
    with pytest.raises(BlurError, match="empty: holds no labelled photo"):
        repeat([], 10, "empty", tmp_path / "photos")


def _program(name: str, files: Files, log: Path, seconds: float, blurred: list[str]) -> Program:
    code = (
        f"import time; open({str(log)!r}, 'a').write({name!r} + ' '); time.sleep({seconds}); "
        f"print({json.dumps({n: n in blurred for n in files.labels})!r})"
    )
    return Program(name, files, [sys.executable, "-S", "-c", code], json.loads)


def test_programs_take_turns_and_the_best_run_counts(files: Files, tmp_path: Path) -> None:
    log = tmp_path / "log"
    hits = [name for name, label in files.labels.items() if label]
    failing = [sys.executable, "-c", "import sys; sys.exit('no licence')"]
    ours = _program("a", files, log, 0.0, hits)
    slow = _program("b", files, log, 0.3, [sorted(files.labels)[0]])
    broken = Program("c", files, failing, json.loads)
    compete([ours, slow, broken], 3, workers=1)
    assert log.read_text().split() == ["a", "b", "b", "a", "a", "b"]
    assert len(ours.seconds) == len(slow.seconds) == 3 and min(slow.seconds) > 0.3
    assert 1 < slow.memory < 200
    assert ours.rate == pytest.approx(10 / min(ours.seconds))
    assert broken.problem == "failed with 1 (no licence)" and not broken.seconds
    lines = list(as_text([ours, slow, broken], 1, 3))
    assert lines[0].startswith("own: 10 files, copies of 4 photos (2 blurred); 1 cores")
    assert lines[2].split()[:8] == ["a", f"{ours.rate:.1f}", "2", "of", "2", "0", "of", "2"]
    assert float(lines[3].split()[8]) == pytest.approx(ours.rate / slow.rate, abs=0.006)
    assert lines[4].split() == ["c", "failed", "with", "1", "(no", "licence)"]
    some = dict.fromkeys(sorted(files.labels)[:3], True)
    program = Program("a", files, [], json.loads, [2.0], some)
    assert program.unread == 1 and "1 photos unread" in list(as_text([program], 2, 1))[-1]
    assert program.rate == 5


def test_versions_of_packages() -> None:
    assert versions(Path(sys.executable))["pytest"] == pytest.__version__
    with pytest.raises(BlurError, match="not a Python interpreter"):
        versions(Path("no-such-python"))


def test_command_measures_blur_scan_and_says_what_is_missing(
    folder_tree: Tree, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.speed.PEERS", ("no-such-package",))
    given = [str(folder_tree(scenes=2)), "--count", "6", "--rounds", "1", "--model", str(model)]
    ran = CliRunner().invoke(speed_command, given)
    assert ran.exit_code == 0, ran.output
    assert "no-such-package: left out, it is not installed; " in ran.stderr
    _, _, line, *decoding = ran.stdout.splitlines()
    names = [one.split("  ")[0] for one in decoding]
    assert names == ["decoding", "decoding at half"] and "unread" not in ran.stdout
    assert line.startswith("blur scan ") and float(line.split()[2]) > 0
    assert " 2 of 2 " in line and " 0 of 2 " in line


def test_each_number_of_photos_is_a_line(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", noise(48, 64, 1))
    one, three, many = (line.split() for line in grown(tmp_path, (1, 3), 40, 1))
    assert (one[:2], three[:2], many[0]) == (["1", "photos"], ["3", "photos"], "30")
    assert all(float(number) > 0 for number in one[2:] + three[2:])
    seconds = float(three[2]) + (float(three[2]) - float(one[2])) / 2 * 27
    assert float(many[2]) == pytest.approx(seconds, abs=3) and many[-1] == "extrapolated"
