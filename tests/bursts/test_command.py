"""`blur scan --bursts`: in tables and files, with a cache, and what --move-losers takes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from action_trees import look, names
from blur_fusion.app.review import ReviewSettings, opened
from made_bursts import exif, exposed, scene, soft, stack, write
from scan_command import imported, invoked


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


def rows(output: str) -> list[tuple[Any, ...]]:
    found = [json.loads(line) for line in output.splitlines()]
    return [(row["burst"], row["rank"], row["tie"], row["note"]) for row in found]


def test_burst_rank_and_tie_are_written(model: Path, photos: Path, tmp_path: Path) -> None:
    words = ("scan", photos, "--model", model, "--bursts", "--format", "jsonl")
    ran = invoked(*words, "--cache", tmp_path / "cache")
    assert ran.exit_code == 0, ran.output
    found = rows(ran.stdout)
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
    assert [line[at : at + 12].split() for line in lines[1:5]][0] == ["1", "3"]
    assert {line[at : at + 11].strip() for line in lines[2:4]} == {"1    1=", "1    2="}
    ran = invoked(*words, "--format", "csv", "--sort", "burst")
    found = list(csv.DictReader(ran.stdout.splitlines()))
    assert [(row["burst"], row["rank"], row["tie"]) for row in found[:3]] == [
        ("1", "1", "true"),
        ("1", "2", "true"),
        ("1", "3", "false"),
    ]


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


def test_headers_are_read_only_where_asked(model: Path, photos: Path) -> None:
    assert "PIL" not in imported("scan", photos, "--model", model)
    assert "PIL" in imported("scan", photos, "--model", model, "--bursts")


def test_real_photos_are_grouped_by_name(model: Path, shared_data: Path, tmp_path: Path) -> None:
    """Of real scenes, side by side in one folder, without any times."""
    for photo in shared_data.glob("kwentar/*/*"):
        (tmp_path / photo.name).symlink_to(photo)
    ran = invoked("scan", tmp_path, "--model", model, "--bursts", "--format", "jsonl")
    best: dict[int, list[str]] = {}
    scenes: dict[int, set[str]] = {}
    for row in map(json.loads, ran.stdout.splitlines()):
        if row["burst"]:
            stem = Path(row["path"]).stem
            scenes.setdefault(row["burst"], set()).add(stem[:-2])
            best.setdefault(row["burst"], []).append(f"{row['rank']}{stem[-1]}")
    assert all(len(of) == 1 for of in scenes.values())
    with_sharp = [ranks for ranks in best.values() if any(rank[-1] == "S" for rank in ranks)]
    assert len(with_sharp) >= 5
    assert all("1S" in ranks for ranks in with_sharp)
