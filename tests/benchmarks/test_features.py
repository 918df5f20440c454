"""Laplacian measures of all of CERTH: the published figures, and input at fault."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.certh_features import (
    as_text,
    features_command,
    measure_answers,
    most_accurate_cut,
    read_feature_rows,
)
from blur_fusion.errors import BlurError, run
from blur_fusion.params import Params, load_params
from trees import REPOSITORY

PARAMS = REPOSITORY / "params.yaml"
HEADER = "split,subset,laplacian_variance,laplacian_max,blurred"


def quick_params() -> Params:
    params = load_params(PARAMS)
    fuse = dataclasses.replace(params.fuse, hidden=(8,), epochs=8, members=1)
    evaluate = dataclasses.replace(params.evaluate, resamples=200)
    split = dataclasses.replace(params.split, folds=2)
    return dataclasses.replace(params, fuse=fuse, evaluate=evaluate, split=split)


def write_rows(path: Path, count: int = 400) -> Path:
    """Blurred rows have about an eighth of the variance; a tenth of the labels are wrong."""
    rng = np.random.default_rng(0)
    lines = [HEADER]
    for number in range(count):
        blurred = number % 3 != 0
        variance = np.exp(rng.normal(5 if blurred else 7, 0.7))
        label = int(blurred != (rng.random() < 0.1))
        split = "train" if number % 2 else "test"
        lines.append(f"{split},Any,{variance:.6f},{3 * variance**0.5:.1f},{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_published_figures_on_the_whole_set(shared_data: Path) -> None:
    rows = read_feature_rows(shared_data / "certh/laplacian_features.csv")
    assert (int(rows.train.sum()), len(rows.labels)) == (1000, 2480)
    found = measure_answers(rows, quick_params())
    names = list(found)
    assert names[:3] == [
        "constant (blurred)",
        "variance < 470 (published)",
        "variance < 447 (train optimum)",
    ]
    figures = [100 * (found[name].values["accuracy"] or 0) for name in names]
    assert figures[:3] == pytest.approx([58.2, 87.2, 87.3], abs=0.05)
    assert 85 < figures[3] < 90
    for measured in found.values():
        interval = measured.spread["accuracy"]
        assert interval is not None
        low, high = interval
        assert low < (measured.values["accuracy"] or 0) < high < low + 0.06


def test_figures_of_made_up_rows_and_nothing_learnt_from_test_rows(tmp_path: Path) -> None:
    rows = read_feature_rows(write_rows(tmp_path / "rows.csv"))
    found = measure_answers(rows, quick_params())
    constant, _, optimum, dense = found.values()
    share = rows.labels[~rows.train].mean()
    assert constant.values["accuracy"] == pytest.approx(share)
    assert (constant.values["recall"], constant.values["auc"]) == (1, 0.5)
    for learnt in (optimum, dense):
        assert (learnt.values["accuracy"] or 0) > share + 0.1
        assert (learnt.values["auc"] or 0) > 0.8
    text = as_text(rows, found, quick_params())
    assert text.startswith(f"200 test rows, {int(rows.labels[~rows.train].sum())} blurred")
    assert f"{100 * (dense.values['accuracy'] or 0):.1f}%" in text

    turned = dataclasses.replace(rows, labels=np.where(rows.train, rows.labels, 1 - rows.labels))
    other = measure_answers(turned, quick_params())
    assert list(found) == list(other)  # the thresholds are part of the names
    for name in found:
        for metric in ("accuracy", "auc"):
            before, after = found[name].values[metric], other[name].values[metric]
            assert after == pytest.approx(1 - (before or 0), abs=1e-12), (name, metric)


def test_cut_is_the_best_of_all_and_the_lowest_of_equals() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        labels = rng.integers(0, 2, 40)
        values = rng.integers(0, 12, 40).astype(np.float64)
        cut = most_accurate_cut(labels, values)
        right = {c: int(((values < c) == labels).sum()) for c in np.arange(0, 12.1, 0.5)}
        best = max(right.values())
        assert ((values < cut) == labels).sum() == best
        lowest = min(c for c, count in right.items() if count == best)
        assert ((values < cut) == (values < lowest)).all()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["split,subset,laplacian_variance,blurred", "train,A,1,0"], "no column 'laplacian_max'"),
        ([HEADER, "train,A,1,1,0", "train,A,2,2,-1"], "line 3: blurred is '-1', must be 0 or 1"),
        ([HEADER, "dev,A,1,1,0"], "line 2: split is 'dev', must be train or test"),
        ([HEADER, "train,A,low,1,0"], "line 2: laplacian_variance is 'low', must be a number"),
        ([HEADER, "train,A,1,nan,0"], "line 2: laplacian_max is 'nan', must be at least 0"),
        (
            [HEADER, "train,A,1,1,0", "train,A,2,2,0", "test,A,1,1,1", "test,A,1,1,0"],
            "the train rows need sharp and blurred ones, both",
        ),
        (
            [HEADER, "train,A,1,1,0", "train,A,2,2,1", "test,A,1,1,1"],
            "the test rows need sharp and blurred ones, both",
        ),
        ([HEADER], "the train rows need"),
    ],
)
def test_rows_at_fault_are_one_line(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(BlurError, match=message) as caught:
        read_feature_rows(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_too_few_rows_for_the_folds_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    halves = [f"{split},A,{n},9,{n % 2}" for split in ("train", "test") for n in range(3)]
    path.write_text("\n".join([HEADER, *halves]) + "\n")
    with pytest.raises(BlurError, match="a class has 1 training rows, 2 folds need more"):
        measure_answers(read_feature_rows(path), quick_params())


def test_missing_file_ends_the_command_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path / "none.csv"), "--params", str(PARAMS)]
    with pytest.raises(SystemExit):
        run(lambda: features_command(arguments))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {tmp_path / 'none.csv'}: cannot be read")


def test_help_names_the_columns() -> None:
    shown = CliRunner().invoke(features_command, ["--help"]).output
    assert "laplacian_variance" in shown and "PATH" in shown
