"""params.yaml: what is wrong in it is said in one clear line."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion.errors import BlurError, run
from blur_fusion.params import Params, load_params
from trees import REPOSITORY

COMMITTED: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text("utf-8"))


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def write(folder: Path, **changes: Any) -> Path:
    """The committed parameters with `section__name=value` changed; `...` removes a name."""
    values = copy.deepcopy(COMMITTED)
    for place, value in changes.items():
        *sections, name = place.split("__")
        where = values
        for section in sections:
            where = where[section]
        if value is ...:
            del where[name]
        else:
            where[name] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_committed_params_load_leaf_by_leaf() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    for place, value in leaves(COMMITTED):
        built: Any = params
        for name in place.split("."):
            built = getattr(built, name)
        assert built == (tuple(value) if isinstance(value, list) else value), place
    assert isinstance(params.sample.supersampled, float)


def test_whole_numbers_serve_as_floats_and_frozen_they_stay(tmp_path: Path) -> None:
    params = load_params(write(tmp_path, fuse__clip=2, features__percentiles=[5, 50.5]))
    assert params.fuse.clip == 2.0 and isinstance(params.fuse.clip, float)
    assert params.features.percentiles == (5.0, 50.5)
    with pytest.raises(AttributeError):
        params.fuse.clip = 3.0  # type: ignore[misc]


def test_what_is_left_out_has_the_committed_value(tmp_path: Path) -> None:
    committed = load_params(REPOSITORY / "params.yaml")
    assert Params() == committed
    changes = {"seed": ..., "cnn__epochs": ..., "threshold": ...}
    assert load_params(write(tmp_path, **changes)) == committed


def test_none_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_params(None) == Params()
    write(tmp_path, seed=5)
    assert load_params(None).seed == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sead": 1}, "unknown name 'sead'; known: seed, dataset,"),
        ({"cnn__epoch": 3}, "unknown name 'cnn.epoch'; known: patterns, filters,"),
        ({"threshold": 0.3}, "section 'threshold' is missing or no mapping"),
        ({"seed": "eleven"}, "seed is 'eleven', must be of type int"),
        ({"seed": 1.5}, "seed is 1.5, must be of type int"),
        ({"seed": True}, "seed is True, must be of type int"),
        ({"cnn__augment": 1}, "cnn.augment is 1, must be of type bool"),
        ({"cnn__dropout": None}, "cnn.dropout is None, must be of type float"),
        ({"cnn__filters": 32}, "cnn.filters is 32, must be a list"),
        ({"cnn__filters": [32, "x"]}, "cnn.filters is 'x', must be of type int"),
        ({"dataset__name": 7}, "dataset.name is 7, must be of type str"),
    ],
)
def test_wrong_names_and_types(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BlurError) as caught:
        load_params(write(tmp_path, **change))
    assert str(caught.value).startswith("params: ") and "\n" not in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("dataset__name", ""),
        ("dataset__blurred_label", 2),
        ("sample__training_scenes", 0),
        ("sample__digital_scenes", 31),
        ("sample__supersampled", 1.1),
        ("image__long_side", 10),
        ("split__validation_fraction", 1.0),
        ("split__test_fraction", 0),
        ("split__folds", 1),
        ("load__shard_images", 0),
        ("compute__threads", 0),
        ("compute__workers", -1),
        ("cnn__filters", []),
        ("cnn__patterns", 0),
        ("cnn__patterns", 64),
        ("cnn__filters", [32, 0]),
        ("cnn__dropout", 1.0),
        ("cnn__epochs", -2),
        ("cnn__crop_side", 16),
        ("cnn__learning_rate", 0),
        ("cnn__label_smoothing", 1.5),
        ("cnn__weight_decay", -0.1),
        ("cnn__kind_weight", -1),
        ("cnn__overlays", 1.5),
        ("cnn__ranked", -1),
        ("cnn__rank_weight", -0.5),
        ("features__levels", 0),
        ("features__percentiles", []),
        ("features__percentiles", [101]),
        ("fuse__hidden", [0]),
        ("fuse__members", 0),
        ("fuse__clip", 0.0),
        ("fuse__weight_decay", -1),
        ("fuse__base_dropout", 1.0),
        ("fuse__ranked", -3),
        ("fuse__copy_weight", -1),
        ("fuse__agreement_weight", -0.1),
        ("fuse__kind_members", 0),
        ("evaluate__robustness_images", 0),
        ("threshold__max_false_alarm_rate", 0),
        ("evaluate__resamples", 0),
        ("evaluate__calibration_bins", -3),
        ("cnn__learning_rate", float("nan")),
        ("fuse__learning_rate", float("inf")),
    ],
)
def test_impossible_values(tmp_path: Path, place: str, value: Any) -> None:
    with pytest.raises(BlurError) as caught:
        load_params(write(tmp_path, **{place: value}))
    section, name = place.split("__")
    line = str(caught.value)
    assert line.startswith("params: ") and "\n" not in line
    assert f"{section}.{name}" in line


def test_files_that_are_no_params(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match=r"nowhere\.yaml: no such file"):
        load_params(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("seed: [1\ndataset: {")
    with pytest.raises(BlurError, match=r"broken\.yaml: no valid YAML") as caught:
        load_params(broken)
    assert "\n" not in str(caught.value)
    for text in ("", "- seed\n"):
        broken.write_text(text)
        with pytest.raises(BlurError, match="no mapping"):
            load_params(broken)


def test_stage_ends_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        run(lambda: print(load_params(tmp_path / "absent.yaml")))
    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/absent.yaml: no such file; run from the project's folder\n"
    )
