"""Every command that reads images, given every hostile file: one line or a verdict."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from forked import WHOLE, Outcome, Results, blur, forked
from hostile_files import JPEG, write_hostile_files

MEMORY = 1500  # MB beyond the start of a process; a photo that needs more is refused
PEAK, SECONDS = 1200, 30  # MB of a process at most
CALM = re.compile(r"(warning|error|note): .|(\d+|no) (photo|file)s?\b|interrupted")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")

Command = Callable[[Path, Path], list[object]]  # a file and an empty folder to arguments


def _class_folder(file: Path, out: Path) -> Path:
    """A data set of the file and a good one."""
    (out / "set/sharp").mkdir(parents=True)
    (out / "set/blurred").mkdir()
    (out / "set/blurred/good.jpg").write_bytes(JPEG)
    shutil.move(file, out / "set/sharp" / file.name)
    file.symlink_to(out / "set/sharp" / file.name)
    return out / "set"


COMMANDS: dict[str, Command] = {
    "scan": lambda file, out: ["scan", file.parent, "--format", "jsonl"],
    "scan FILE": lambda file, out: ["scan", "--exposure", "--", file],
    "scan --cache --report --move": lambda file, out: (
        ["scan", file.parent, "--cache", out / "cache", "--report", out / "page.html"]
        + ["--move", out / "moved", "--threshold", "0", "--output", out / "table"]
    ),
    "scan --copy --tag": lambda file, out: (
        ["scan", file.parent, "--copy", out / "copied", "--tag", "--threshold", "0"]
    ),
    "explain": lambda file, out: ["explain", "--no-grad-cam", "--output", out, "--", file],
    "data check": lambda file, out: ["data", "check", _class_folder(file, out)],
    "test": lambda file, out: ["test", _class_folder(file, out)],
}


def problem(ran: Outcome) -> str | None:
    """What is wrong with how a command ended, if anything."""
    if ran.hung:
        return f"hung for {SECONDS} s"
    if ran.code not in (0, 1, 2, 3) or "Traceback" in ran.err + ran.out:
        return f"exit code {ran.code}: {ran.err[-400:]}"
    if ran.peak > PEAK:
        return f"took {ran.peak:.0f} MB"
    chatter = [line for line in ran.err.splitlines() if not CALM.match(line)]
    if chatter:
        return f"chatter: {chatter[0][:200]}"
    if CONTROL.search(ran.err):
        return f"control characters: {ran.err[:200]!r}"
    return None


@pytest.mark.parametrize("name", COMMANDS)
def test_each_file_is_a_line_or_a_verdict(name: str, tmp_path: Path, results: Results) -> None:
    files = list(write_hostile_files(tmp_path).values())[:: 1 if WHOLE else 9]
    failures, peak = [], 0.0
    for number, file in enumerate(files):
        out = tmp_path / f"out{number}"
        out.mkdir()
        words = COMMANDS[name](file, out)
        ran = forked(blur, *words, folder=out, limit=SECONDS, memory=MEMORY)
        peak = max(peak, ran.peak)
        if (wrong := problem(ran)) is not None:
            failures.append(f"{ascii(file.name)}: {wrong}")
    results.append((f"blur {name}", len(files), len(failures), peak))
    assert not failures, "\n".join(failures)


def test_a_photo_larger_than_memory_is_told_and_its_neighbours_are_judged(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    shutil.copy(write_hostile_files(tmp_path / "all")["real-bomb.png"], tmp_path)
    for number in range(30):
        (tmp_path / f"good{number}.jpg").write_bytes(JPEG)
    words = "scan", tmp_path, "--exclude", "all"
    ran = forked(blur, *words, folder=tmp_path, limit=90, memory=MEMORY)
    assert problem(ran) is None
    assert "real-bomb.png: is too large for the memory of this machine" in ran.out
    assert "31 photos: 30 blurred (30 defocus), 0 sharp, 1 unread" in ran.out
