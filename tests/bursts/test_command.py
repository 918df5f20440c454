"""`blur scan --bursts`: in tables and files, with a cache, and what --move-losers takes."""

import csv
import json
from pathlib import Path

import pytest

from action_trees import look, names
from blur_fusion.app.review import ReviewSettings, opened
from made_bursts import exif, exposed, scene, soft, stack, write
from scan_command import invoked


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A burst of three, of which the last two cannot be told apart; a stack; one alone."""
    plane = scene(300, 450, seed=1)
    burst = [exposed(soft(plane, 2)), exposed(plane, 2, 1), exposed(plane, 2, 2)]
    write(tmp_path / "photos", burst, [exif(0.2 * k) for k in range(3)])
    layers = [exposed(one) for one in stack(scene(300, 450, seed=2), 3)]
    write(tmp_path / "photos", layers, [exif(60 + k) for k in range(3)], first=4)
    write(tmp_path / "photos", [exposed(scene(300, 450, seed=3))], [exif(90)], first=7)
    return tmp_path / "photos"


def test_burst_rank_and_tie_are_written(model: Path, photos: Path, tmp_path: Path) -> None:
    words = ("scan", photos, "--model", model, "--bursts", "--format", "jsonl")
    ran = invoked(*words, "--cache", tmp_path / "cache")
    assert ran.exit_code == 0, ran.output
    lines = map(json.loads, ran.stdout.splitlines())
    found = [(row["burst"], row["rank"], row["tie"], row["note"]) for row in lines]
    assert found[0] == (1, 3, False, None)
    assert sorted(found[1:3]) == [(1, 1, True, None), (1, 2, True, None)]
    assert found[3:6] == [(2, None, None, "focus stack, left alone")] * 3
    assert found[6] == (None, None, None, None)
    assert "2 bursts of 6 photos, 1 less sharp than the best" in ran.stderr
    assert invoked(*words, "--cache", tmp_path / "cache").stdout == ran.stdout
    alone = invoked("scan", photos, "--model", model, "--cache", tmp_path / "cache")
    assert "burst" not in alone.output.replace(str(photos), "")


def test_table_and_csv_say_it_too(model: Path, photos: Path, tmp_path: Path) -> None:
    words = ("scan", photos, "--model", model, "--bursts", "--cache", tmp_path / "cache")
    lines = invoked(*words).stdout.splitlines()
    at = lines[0].index("burst")
    shown = [line[at : at + 11].split() for line in lines[1:4]]
    assert shown[0] == ["1", "3"] and sorted(shown[1:]) == [["1", "1="], ["1", "2="]]
    ran = invoked(*words, "--format", "csv", "--sort", "burst")
    found = list(csv.DictReader(ran.stdout.splitlines()))[:3]
    assert {row["burst"] for row in found} == {"1"}
    assert [row["rank"] + row["tie"] for row in found] == ["1true", "2true", "3false"]


def test_losers_are_moved_only_where_asked(model: Path, photos: Path, tmp_path: Path) -> None:
    before, away = look(photos), tmp_path / "away"
    words = ("scan", photos, "--model", model, "--bursts", "--threshold", "1", "--move", away)
    assert invoked(*words).exit_code == 0
    assert look(photos) == before
    ran = invoked(*words, "--move-losers", "--unsure", tmp_path / "unsure")
    assert ran.exit_code == 0, ran.output
    assert names(away) == {"IMG_0001.jpg"}
    assert invoked("undo", next(away.glob("blur-journal-*"))).exit_code == 0
    assert look(photos) == before


def test_a_review_has_bursts_where_asked(model: Path, photos: Path) -> None:
    alone = opened(ReviewSettings(photos, model), warn=print).predictions
    assert {one.burst for one in alone} == {None}
    found = opened(ReviewSettings(photos, model, bursts=True), warn=print).predictions
    assert [one.burst for one in found] == [1, 1, 1, 2, 2, 2, None]
    assert found[0].rank == 3


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--burst-gap", "3"), "--burst-gap needs --bursts"),
        (("--bursts", "--move-losers"), "--move-losers needs --bursts and one of"),
        (("--move", "x", "--move-losers"), "--move-losers needs --bursts and one of"),
    ],
)
def test_options_that_say_nothing_are_a_mistake(words: tuple[str, ...], line: str) -> None:
    ran = invoked("scan", ".", *words)
    assert ran.exit_code == 2
    assert line in ran.output
