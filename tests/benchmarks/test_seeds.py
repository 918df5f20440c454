"""Runs that differ by their seed: finished ones are kept, other params are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from benchmarks import seeds
from benchmarks.seeds import STAGES, figures, seeds_command, spreads, with_seed
from blur_fusion.errors import BlurError
from trees import REPOSITORY

PARAMS = REPOSITORY / "params.yaml"


def photos(seed: int) -> dict[str, Any]:
    area = {"value": 0.99 + seed / 1000, "low": 0.9, "high": 1.0}
    judged = {"blurred": 5, "found": 4, "sharp": 9, "flagged": seed}
    stacks = {"smear": {"spearman": 0.98}} if seed != 3 else {}
    pooled = dict.fromkeys(("cnn", "features", "fused"), {"auc": area, "recall": area})
    return {"pooled": pooled, "sets": {"kwentar": {"fused": judged}}, "stacks": stacks}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Modules that would have run; in their place the files they write are made up."""
    asked: list[tuple[str, ...]] = []

    def fake(folder: Path, module: str, *words: str) -> None:
        asked.append((module, *words))
        if module == "benchmarks.real_photos":
            assert not (folder / "data/sample").exists()
            seed = yaml.safe_load((folder / "params.yaml").read_text())["seed"]
            (folder / words[-1]).write_text(json.dumps(photos(seed)))
        elif module == "stages.sample":
            (folder / "data/sample").mkdir(parents=True)
        elif module == "stages.fuse":
            (folder / "artifacts/fuse").mkdir(parents=True)
            rows = dict.fromkeys(("cnn", "features", "fused"), np.array([0.1, 0.2, 0.9]))
            np.savez(folder / "artifacts/fuse/validation.npz", label=np.array([0, 0, 1]), **rows)

    monkeypatch.setattr(seeds, "_run", fake)
    return asked


def command(tmp_path: Path, *words: str) -> Any:
    known = ["shared", "--folder", str(tmp_path / "runs"), "--params", str(PARAMS)]
    return CliRunner().invoke(seeds_command, [*known, *words])


def test_only_the_seed_changes() -> None:
    text = PARAMS.read_text()
    changed = with_seed(text, 987)
    assert yaml.safe_load(changed) == {**yaml.safe_load(text), "seed": 987}
    assert len(changed.splitlines()) == len(text.splitlines())
    with pytest.raises(BlurError, match="0 lines begin with 'seed:'"):
        with_seed("cnn: {}\n", 1)


def test_each_seed_and_the_spread_are_told(ran: list[tuple[str, ...]], tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    asked = ["--seed", "1", "--seed", "2", "--seed", "4", "--json", str(target)]
    done = command(tmp_path, *asked)
    assert done.exit_code == 0, done.output
    one = [*(f"stages.{stage}" for stage in STAGES), "benchmarks.real_photos"]
    assert [module for module, *_ in ran] == one * 3
    assert ran[5][1] == str(Path("shared").resolve())
    found = json.loads(target.read_text())
    assert [each["seed"] for each in found["seeds"]] == [1, 2, 4]
    spread = {"smallest": 0.991, "largest": 0.994, "mean": 0.992333, "spread": 0.003}
    assert found["spread"]["AUC fused"] == spread
    assert found["spread"]["val AUC"]["mean"] == 1.0
    assert figures(found["seeds"][2])["kwentar"] == 4 + 1
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines[4:7]] == ["1", "2", "4"]
    assert lines[6].split()[1:4] == ["0.9940"] * 3 and lines[6].split()[-1] == "5"
    assert lines[-1].split()[:2] == ["spread", "0.0030"]
    assert command(tmp_path, *asked).output == done.output and len(ran) == 18  # kept


def test_a_figure_that_a_run_lacks_has_no_spread(ran: list[Any], tmp_path: Path) -> None:
    text = PARAMS.read_text()
    runs = [seeds.run_seed(tmp_path / str(n), tmp_path, n, text) for n in (1, 3)]
    assert set(spreads(runs)["smear"].values()) == {None}
    assert spreads(runs)["kwentar"]["spread"] == 2
    with pytest.raises(BlurError, match="not the parameters asked for"):
        seeds.run_seed(tmp_path / "1", tmp_path, 2, text)


def test_a_failing_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match=r"no\.such\.stage ended with status 1"):
        seeds._run(tmp_path, "no.such.stage")
