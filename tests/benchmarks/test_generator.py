"""The generator without one part: that part is gone, and all else is drawn as before."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.generator_variants import smaller_params
from benchmarks.replaced import replaced
from benchmarks.sample_without import HARD, PARTS, take_without
from blur_fusion.params import load_params
from blur_fusion.sample import camera, scenes, shots
from blur_fusion.sample.tree import plan_scenes, write_sample
from tiny_project import TINY, contents, run
from trees import REPOSITORY

SIZE = (120, 160)


def tiny(folder: Path, workers: int) -> Path:
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text("utf-8"))
    values["sample"] |= {**TINY["sample"], "training_scenes": 6, "natural_scenes": 1}
    values["sample"] |= {"digital_scenes": 1}
    values["compute"]["workers"] = workers
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shot_by_shot(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Files of the same 24 scenes as they are (""), and without each part."""
    from blur_fusion.sample.tree import _take

    params = load_params(REPOSITORY / "params.yaml")
    chosen = [plan for plan in plan_scenes(params.sample)[:60] if not plan.photo][:24]
    sample = load_params(tiny(tmp_path_factory.mktemp("params"), 1)).sample
    found = {}
    for part in ("", *PARTS):
        root = tmp_path_factory.mktemp("sample")
        for folder in ("Undistorted", "Naturally-Blurred", "Artificially-Blurred"):
            (root / "TrainingSet" / folder).mkdir(parents=True)
        for plan in chosen:
            if part:
                take_without(part, root, plan, sample, 5)
            else:
                _take(root, plan, sample, 5)
        found[part] = contents(root)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_in_some_pictures_and_the_others_stay(
    shot_by_shot: dict[str, dict[str, bytes]], part: str
) -> None:
    whole, without = shot_by_shot[""], shot_by_shot[part]
    assert whole.keys() == without.keys()
    same = sum(whole[name] == without[name] for name in whole)
    assert 0.2 * len(whole) < same < len(whole), f"{same} of {len(whole)}"


def test_each_part_is_gone() -> None:
    rng = np.random.default_rng(0)
    with replaced(PARTS["hard scenes"]()):
        families = {scenes.render_scene(SIZE, rng)[0] for _ in range(40)}
        shares = [share for _, share in scenes.FAMILIES.values()]
    assert not families & set(HARD) and any(" for " in family for family in families)
    assert shares == [share for _, share in scenes.FAMILIES.values()]
    with replaced(PARTS["shallow focus"]()):
        for _ in range(20):
            scene = scenes.render_scene(SIZE, rng)[1]
            assert scene.shallow is None or np.array_equal(scene.shallow, scene.focused)
    with replaced(PARTS["strong sharpening"]()):
        assert max(shots.draw_camera(False, 1.0, rng).sharpen for _ in range(40)) == 0.7
    with replaced(PARTS["small framings"]()):
        assert min(shots.SHRINKS) == 0.85
    with replaced(PARTS["fixed patterns"]()):
        assert not camera._fixed_pattern((4, 6), rng).any()
    with replaced(PARTS["overlays"]()):
        picture = np.full((80, 120, 3), 9, np.uint8)
        assert shots.overlay(picture, rng) is picture
    assert max(shots.draw_camera(False, 1.0, rng).sharpen for _ in range(40)) == 2.2


def test_the_command_reaches_its_workers(tmp_path: Path) -> None:
    path = tiny(tmp_path, workers=2)
    params = load_params(path)
    run_in = tmp_path / "run"
    run_in.mkdir()
    shutil.copy(path, run_in)
    (run_in / "benchmarks").symlink_to(REPOSITORY / "benchmarks")
    run(run_in, "-m", "benchmarks.sample_without", "overlays")
    found = contents(run_in / "data/sample")
    write_sample(tmp_path / "whole", params.sample, params.seed, workers=1)
    whole = contents(tmp_path / "whole")
    assert found.keys() == whole.keys()
    pictures = [name for name in whole if name.lower().endswith(".jpg")]
    differing = {name for name in pictures if found[name] != whole[name]}
    expected = set()
    for plan in plan_scenes(params.sample):
        root = tmp_path / "again"
        for name in pictures:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        take_without("overlays", root, plan, params.sample, params.seed)
    for name in pictures:
        assert (tmp_path / "again" / name).read_bytes() == found[name], name
        if whole[name] != found[name]:
            expected.add(name)
    assert differing == expected and differing


def test_the_samples_keep_the_training_scenes() -> None:
    text = (REPOSITORY / "params.yaml").read_text("utf-8")
    smaller, whole = yaml.safe_load(smaller_params(text)), yaml.safe_load(text)
    assert smaller["sample"].pop("natural_scenes") == smaller["sample"].pop("digital_scenes") == 1
    del whole["sample"]["natural_scenes"], whole["sample"]["digital_scenes"]
    assert smaller == whole
