"""Runs that differ by their seed: what is done is kept, what follows a change runs again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from benchmarks import seeds, stage_runs
from benchmarks.seeds import mistakes, seeds_command, spreads
from benchmarks.stage_runs import (
    Step,
    codes_of,
    forget,
    is_done,
    prepare,
    run_from_sample,
    run_steps,
    with_seed,
)
from blur_fusion.errors import BlurError
from trees import REPOSITORY

PARAMS = REPOSITORY / "params.yaml"
APPENDS = "from pathlib import Path\nwith Path('ran.txt').open('a') as f: f.write('{name} ')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run whose steps are modules in the folder itself."""
    for name in ("sample", "load", "third"):
        (tmp_path / f"fake_{name}.py").write_text(APPENDS.format(name=name) + f"print('{name}!')\n")
    (tmp_path / "fake_sample.py").write_text(
        APPENDS.format(name="sample") + "Path('data/sample').mkdir(parents=True)\n"
    )
    return tmp_path


STEPS = [
    Step("sample", "fake_sample"),
    Step("load", "fake_load", discards="data/sample"),
    Step("third", "fake_third"),
]


def ran(folder: Path) -> list[str]:
    path = folder / "ran.txt"
    words = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return words


def test_done_steps_are_kept_and_later_ones_follow(folder: Path) -> None:
    run_from_sample(folder, STEPS)
    assert ran(folder) == ["sample", "load", "third"]
    assert not (folder / "data/sample").exists()
    assert (folder / "logs/load.txt").read_text() == "load!\n"
    run_from_sample(folder, STEPS)
    assert ran(folder) == []  # the sample is gone, but nothing needs it
    forget(folder, ["third"])
    run_from_sample(folder, STEPS)
    assert ran(folder) == ["third"]
    forget(folder, ["load"])
    run_from_sample(folder, STEPS)
    assert ran(folder) == ["sample", "load", "third"]


def test_a_failing_step_ends_in_one_line_and_runs_again(folder: Path) -> None:
    right = (folder / "fake_load.py").read_text()
    (folder / "fake_load.py").write_text("raise SystemExit(3)")
    with pytest.raises(BlurError, match=r"load ended with status 3; see .*logs/load.txt"):
        run_steps(folder, STEPS)
    assert is_done(folder, "sample") and not is_done(folder, "load")
    assert ran(folder) == ["sample"] and (folder / "data/sample").is_dir()
    (folder / "fake_load.py").write_text(right)
    run_from_sample(folder, STEPS)
    assert ran(folder) == ["load", "third"]


def test_markers_know_the_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_runs, "code_digest", lambda: "first")
    run_steps(folder, STEPS[:1])
    monkeypatch.setattr(stage_runs, "code_digest", lambda: "second")
    run_steps(folder, STEPS)
    assert codes_of(folder) == {"first", "second"}


def test_only_the_seed_changes_and_other_parameters_are_refused(tmp_path: Path) -> None:
    text = PARAMS.read_text()
    changed = with_seed(text, 987)
    assert yaml.safe_load(changed) == {**yaml.safe_load(text), "seed": 987}
    assert len(changed.splitlines()) == len(text.splitlines())
    prepare(tmp_path, changed)
    prepare(tmp_path, changed)
    with pytest.raises(BlurError, match="differs from the parameters asked for"):
        prepare(tmp_path, text)
    with pytest.raises(BlurError, match="0 lines begin with 'seed:'"):
        with_seed("cnn: {}\n", 1)


def photos(seed: int) -> dict[str, Any]:
    area = {"value": 0.99 + seed / 1000, "low": 0.9, "high": 1.0}
    judged = {"blurred": 5, "found": 4, "sharp": 9, "flagged": seed}
    return {
        "pooled": {judge: {"auc": area, "recall": area} for judge in ("cnn", "features", "fused")},
        "sets": {"kwentar": {"fused": judged}},
        "stacks": {"smear": {"spearman": 0.98}} if seed != 3 else {},
    }


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[Step]]:
    """Steps that would have run; in their place the files they write are made up."""
    asked: list[list[Step]] = []

    def fake(folder: Path, steps: Sequence[Step]) -> None:
        asked.append(list(steps))
        seed = yaml.safe_load((folder / "params.yaml").read_text())["seed"]
        (folder / "real_photos.json").write_text(json.dumps(photos(seed)))
        (folder / "artifacts/fuse").mkdir(parents=True)
        good, labels = np.array([0.1, 0.2, 0.9]), np.array([0, 0, 1])
        rows = {"cnn": good, "features": good, "fused": good}
        np.savez(folder / "artifacts/fuse/validation.npz", label=labels, **rows)

    monkeypatch.setattr(seeds, "run_from_sample", fake)
    return asked


def test_the_command_tells_each_seed_and_the_spread(told: list[list[Step]], tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    words = ["shared", "--folder", str(tmp_path / "runs"), "--seeds", "1", "2", "4"]
    done = CliRunner().invoke(
        seeds_command, [*words, "--params", str(PARAMS), "--json", str(target)]
    )
    assert done.exit_code == 0, done.output
    steps = ["sample", "load", "cnn", "features", "fuse", "real_photos"]
    assert [[step.name for step in one] for one in told] == [steps] * 3
    assert told[0][-1].arguments[0] == str(Path("shared").resolve())
    assert [step.discards for step in told[0]] == ["", "data/sample", "", "", "", ""]
    found = json.loads(target.read_text())
    assert [run["seed"] for run in found["seeds"]] == [1, 2, 4]
    spread = found["spread"]["AUC fused"]
    assert spread == {
        **{"smallest": 0.991, "largest": 0.994, "mean": 0.992333},
        "largest_minus_smallest": 0.003,
    }
    assert found["spread"]["val AUC"]["mean"] == 1.0
    assert mistakes(found["seeds"][2]) == {"kwentar": 4 + 1}
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines[4:7]] == ["1", "2", "4"]
    assert lines[6].split()[1:4] == ["0.9940"] * 3 and lines[6].split()[-1] == "5"
    assert lines[-1].split()[:2] == ["spread", "0.0030"]


def test_a_figure_that_a_run_lacks_has_no_spread(told: list[list[Step]], tmp_path: Path) -> None:
    text = PARAMS.read_text()
    runs = [seeds.run_seed(tmp_path / str(n), tmp_path, n, text) for n in (1, 3)]
    assert set(spreads(runs)["smear"].values()) == {None}
    assert spreads(runs)["kwentar"]["largest_minus_smallest"] == 2


def test_another_data_set_is_refused(told: list[list[Step]], tmp_path: Path) -> None:
    values = yaml.safe_load(PARAMS.read_text())
    values["dataset"]["name"] = "mine"
    other = tmp_path / "params.yaml"
    other.write_text(yaml.safe_dump(values))
    words = ["shared", "--folder", str(tmp_path / "runs"), "--params", str(other)]
    done = CliRunner().invoke(seeds_command, words)
    assert isinstance(done.exception, BlurError)
    assert "needs the embedded data/sample" in str(done.exception) and not told
