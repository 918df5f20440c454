"""params.yaml: each mistake in it is one clear line."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion.errors import BlurError
from blur_fusion.params import Params, load_params
from trees import REPOSITORY

COMMITTED: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text("utf-8"))


def write(folder: Path, **changes: Any) -> Path:
    """The committed parameters with `section__name=value` changed; `...` removes a name."""
    values = copy.deepcopy(COMMITTED)
    for place, value in changes.items():
        *section, name = place.split("__")
        where = values[section[0]] if section else values
        where[name] = value
        if value is ...:
            del where[name]
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_committed_params_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = load_params(REPOSITORY / "params.yaml")
    assert Params() == committed
    assert json.loads(json.dumps(dataclasses.asdict(committed))) == COMMITTED
    left_out = write(tmp_path, seed=..., cnn__epochs=..., threshold=...)
    assert load_params(left_out) == committed
    left_out.unlink()
    monkeypatch.chdir(tmp_path)
    assert load_params(None) == committed
    write(tmp_path, seed=5)
    assert load_params(None).seed == 5


def test_whole_numbers_serve_as_floats_and_frozen_they_stay(tmp_path: Path) -> None:
    params = load_params(write(tmp_path, fuse__clip=2, features__percentiles=[5, 50.5]))
    assert params.fuse.clip == 2.0 and isinstance(params.fuse.clip, float)
    assert params.features.percentiles == (5.0, 50.5)
    with pytest.raises(AttributeError):
        params.fuse.clip = 3.0  # type: ignore[misc]


WRONG: list[tuple[str, Any, str]] = [
    ("sead", 1, "unknown name 'sead'; known: seed, dataset,"),
    ("cnn.epoch", 3, "unknown name 'cnn.epoch'; known: patterns, filters,"),
    ("threshold", 0.3, "section 'threshold' must map names to values"),
    ("seed", "eleven", "seed is 'eleven', must be of type int"),
    *(("seed", value, f"seed is {value}, must be of type int") for value in (1.5, True)),
    ("cnn.augment", 1, "cnn.augment is 1, must be of type bool"),
    ("cnn.dropout", None, "cnn.dropout is None, must be of type float"),
    ("cnn.filters", 32, "cnn.filters is 32, must be a list"),
    ("cnn.filters", [32, "x"], "cnn.filters is 'x', must be of type int"),
    ("dataset.name", 7, "dataset.name is 7, must be of type str"),
]
IMPOSSIBLE: list[tuple[str, list[Any]]] = [
    ("dataset.name", [""]),
    ("dataset.blurred_label", [2]),
    ("sample.digital_scenes", [31]),
    ("image.long_side", [10]),
    ("cnn.crop_side", [16]),
    ("cnn.patterns", [0, 64]),
    ("cnn.filters", [[], [32, 0]]),
    ("fuse.hidden", [[0]]),
    ("features.percentiles", [[], [101]]),
    ("sample.supersampled cnn.overlays", [1.1, 1.5]),
    ("split.validation_fraction cnn.dropout fuse.base_dropout cnn.label_smoothing", [1.0, 1.5]),
    ("split.folds", [1]),
    ("split.test_fraction threshold.max_false_alarm_rate", [0]),
    ("sample.training_scenes load.shard_images compute.threads cnn.epochs", [0, -2]),
    ("features.levels fuse.members fuse.kind_members", [0, -2]),
    ("evaluate.robustness_images evaluate.resamples", [0, -2]),
    ("evaluate.calibration_bins", [-3]),
    ("cnn.learning_rate fuse.learning_rate fuse.clip", [0.0, float("nan"), float("inf")]),
    ("compute.workers cnn.ranked fuse.ranked", [-1, -3]),
    ("cnn.weight_decay cnn.kind_weight cnn.rank_weight", [-0.1]),
    ("fuse.weight_decay fuse.copy_weight fuse.agreement_weight", [-0.1]),
]
WRONG += [(place, v, place) for places, vs in IMPOSSIBLE for place in places.split() for v in vs]


@pytest.mark.parametrize(("place", "value", "message"), WRONG)
def test_what_is_wrong_is_one_line(tmp_path: Path, place: str, value: Any, message: str) -> None:
    with pytest.raises(BlurError) as caught:
        load_params(write(tmp_path, **{place.replace(".", "__"): value}))
    line = str(caught.value)
    assert line.startswith("params: ") and "\n" not in line and message in line


def test_files_that_are_no_params(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match=r"nowhere\.yaml: no such file; run from the project's"):
        load_params(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("seed: [1\ndataset: {")
    with pytest.raises(BlurError, match=r"broken\.yaml: not valid YAML") as caught:
        load_params(broken)
    assert "\n" not in str(caught.value)
    for text in ("", "- seed\n"):
        broken.write_text(text)
        with pytest.raises(BlurError, match="params: the file must map names to values"):
            load_params(broken)
