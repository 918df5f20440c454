"""Commands that train, calibrate, export and test models, and handle data sets."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import click

from blur_fusion.cli import options
from blur_fusion.cli.options import (
    PATH,
    PROPORTION,
    count_option,
    flag,
    folder_option,
    path_option,
    warn,
)
from blur_fusion.errors import one_line_errors
from blur_fusion.startup import quiet

# As printed on the data set's page and in the works that use it.
CERTH_URL = "http://mklab.iti.gr/files/imageblur/CERTH_ImageBlurDataset.zip"

_path_argument = click.argument("path", type=PATH)
_target_argument = click.argument("target", type=PATH)
_json_option = flag("--json", "as_json", help="Print JSON instead of text.")


class _Layout(click.Choice[str]):
    """A name of a layout, looked up when it is needed: readers register themselves."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> list[str]:  # type: ignore[override]
        from blur_fusion.data.layouts import layout_names  # imports NumPy

        return layout_names()


_layout_option = click.option(
    "--layout",
    type=_Layout(),
    default="auto",
    help="How the data set is laid out; 'metadata' must be named, the others are recognised.",
)


@click.command()
@_target_argument
@path_option(
    "--model-dir",
    default=Path("artifacts"),
    help="Folder written by 'make repro': holds cnn, fuse and evaluate.",
)
@options.params_option
@flag("--force", help="Replace the model that TARGET holds.")
@one_line_errors("'blur export'")
def export(target: Path, model_dir: Path, params_file: Path, force: bool) -> None:
    """Write the trained model to the folder TARGET.

    `blur scan --model TARGET` and `BlurDetector("TARGET")` use it, without TensorFlow or
    scikit-learn. TARGET must be new or empty; --force replaces a model, and nothing else. The
    folder records what the model was made from.
    """
    from blur_fusion.model.export import export_model

    warn(*export_model(target, model_dir, params_file, force))
    size = sum(path.stat().st_size for path in target.iterdir())
    click.echo(f"{target}: model written, {size / 1e6:.2f} MB")


@click.command("test")
@_path_argument
@_json_option
@options.model_option
@click.option(
    "--judge",
    type=click.Choice(("fused", "cnn", "features")),
    default="fused",
    help="Model whose mistakes are listed and whose kinds of blur are counted.",
)
@path_option(
    "--model-dir",
    "artifacts",
    help="Folder written by 'make repro': test its model, beside its baselines.",
)
@options.own_params_option
@_layout_option
@options.workers_option
@one_line_errors()
def held_out_command(
    path: Path, as_json: bool, params_file: Path | None, layout: str, **asked: Any
) -> None:
    """Test the models on the held-out data set at PATH.

    Prints metrics with 95 % intervals, overall and by subset, beside a constant answer and the
    Laplacian baseline, and the images judged wrongly. The exit code is 1 if one cannot be read.
    """
    from blur_fusion.data.layouts import open_dataset
    from blur_fusion.evaluation import heldout, report
    from blur_fusion.params import load_params

    params = load_params(params_file)
    dataset = open_dataset(path, layout, params.dataset)
    result = heldout.judge_held_out(dataset, params, **asked)
    click.echo(report.as_json(result) if as_json else heldout.as_text(result), nl=not as_json)
    warn(*result["unreadable"], fail=True)


@click.command()
@click.argument("decisions", nargs=-1, type=PATH, metavar="[DECISIONS]...")
@folder_option("--keep", help="Photos to keep, instead of DECISIONS.")
@folder_option("--reject", help="Photos to reject, with --keep.")
@path_option("--output", required=True, metavar="MY_MODEL", help="New folder of the model.")
@flag("--force", help="Replace the model that MY_MODEL holds.")
@click.option(
    "--max-false-alarms",
    type=PROPORTION,
    metavar="SHARE",
    help="Share of kept photos that the threshold may call blurred.  "
    "[default: as for the shipped model]",
)
@options.model_option
@options.workers_option
@one_line_errors()
def calibrate(
    decisions: tuple[Path, ...],
    keep: Path | None,
    reject: Path | None,
    output: Path,
    force: bool,
    max_false_alarms: float | None,
    model: Path | None,
    workers: int,
) -> None:
    """Learn from decisions which photos you reject: a model for `blur scan --model`.

    DECISIONS are files exported from blur's pages, or folders of photos rated in an editor. From 30
    or more, both kept and rejected, the model learns new probabilities and thresholds, and with the
    extra 'train' new weights of its measures; each only if cross-validation by bursts shows a gain
    whose 95 % interval excludes zero. Prints figures before and after. Photos are only read.

    The exit code is 1 if nothing showed a gain: then nothing is written.
    """
    quiet()
    from blur_fusion.files import printable
    from blur_fusion.model.export import check_target
    from blur_fusion.params import ThresholdParams
    from blur_fusion.personal import learn, photos

    if bool(keep) != bool(reject) or bool(keep) == bool(decisions):
        raise click.UsageError("name DECISIONS, or both --keep DIR and --reject DIR")
    check_target(output, force)
    classifier = photos.detector(model)
    taught = photos.in_folders(keep, reject) if keep and reject else photos.taught(decisions)
    learn.require_enough(len(taught))
    rows, unread = photos.measure(taught, classifier, workers)
    warn(*(f"{printable(one.path)}: {printable(one.error or '')}" for one in unread))
    head = importlib.util.find_spec("sklearn") is not None
    if not head:
        line = "the weights of measures stay: learning them needs the extra 'train'"
        click.echo(f"note: {line}: pip install 'blur-fusion[train]'", err=True)
    rate = {} if max_false_alarms is None else {"max_false_alarm_rate": max_false_alarms}
    outcome = learn.learn(classifier.model, rows, ThresholdParams(**rate), head=head)
    click.echo(learn.as_text(outcome, classifier.model, rows))
    if outcome.model is None:
        click.echo("no gain is shown: the model is kept, and nothing is written", err=True)
        raise click.exceptions.Exit(1)
    photos.write_model(output, classifier, outcome, rows)
    click.echo(f"{output}: model written; use it with blur scan --model {output}")


class _Presets(click.Command):
    """Its help lists the presets of this folder."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from blur_fusion.presets.params import known_presets, load_preset

        if names := known_presets():
            with formatter.section("Presets"):
                formatter.write_dl([(name, load_preset(name).about) for name in names])


@click.command(cls=_Presets)
@click.argument("name")
@path_option("--data", help="Train on this folder instead of what 'load' stored.")
@path_option("--test", "tested", help="Only judge this folder, with the trained preset.")
@path_option("--out", help="Folder of the result.  [default: artifacts/presets/NAME]")
@click.option("--weights", help="Weights of the backbone: a file, 'imagenet' or 'random'.")
@count_option("--epochs", help="Number of epochs, instead of the preset's.")
@count_option("--images", help="Train on at most this many images.")
@options.params_option
@one_line_errors("'blur preset'")
def preset(
    name: str, tested: Path | None, out: Path | None, params_file: Path, **training: Any
) -> None:
    """Train the preset NAME, once, on our split, and evaluate it on the test photos.

    Presets are systems from tutorials and repositories, described in presets/NAME.yaml. Writes
    weights, predictions, figures with 95 % intervals, and drawings of what it sees, how it learned,
    what it says and where it is wrong. With --test PATH nothing is trained.
    """
    from blur_fusion.params import load_params
    from blur_fusion.presets.run import judged_lines, train_preset

    params = load_params(params_file)
    if tested is not None:
        click.echo(judged_lines(name, tested, out, params))
        return
    weights = training.pop("weights") or ""
    click.echo(train_preset(name, out=out, params=params, weights=weights, **training))


@click.group()
def data() -> None:
    """Inspect, download and make data sets."""


@data.command()
@_path_argument
@_json_option
@options.own_params_option
@_layout_option
@one_line_errors("'blur data'")
def check(path: Path, as_json: bool, params_file: Path | None, layout: str) -> None:
    """Say what the data set at PATH holds.

    Images by subset and label, scenes, and notes on what is left out. Nothing is changed.
    """
    from blur_fusion.data.layouts import as_text, describe, open_dataset
    from blur_fusion.params import load_params

    found = describe(open_dataset(path, layout, load_params(params_file).dataset))
    click.echo(json.dumps(found, indent=2, sort_keys=True) if as_json else as_text(found))


@data.group()
def fetch() -> None:
    """Download a published data set to its folder under data."""


@fetch.command()
@click.option("--url", default=CERTH_URL, help="Address of the official zip.")
@path_option(
    "--target",
    default=Path("data/certh"),
    help="Folder to create, which must not exist; the zip is kept beside it.",
)
@path_option("--zip", "archive", help="Unpack this zip, downloaded by hand, instead.")
@one_line_errors("'blur data fetch'")
def certh(url: str, target: Path, archive: Path | None) -> None:
    """Download and unpack the CERTH Image Blur Dataset.

    About 3.7 GB, for research. An interrupted download resumes. A zip that is already beside the
    target (data/certh.zip) is used as it is. Images are counted: a folder that differs from the
    published numbers gives a warning, and the exit code is 1.
    """
    from blur_fusion.data.fetch import fetch_certh

    archive, images, mismatches = fetch_certh(target, url, archive)
    verdict = "not the published numbers" if mismatches else "as published"
    click.echo(f"{target}: {images} images, {verdict}; {archive} may be deleted now")
    warn(*mismatches, fail=True)


@fetch.command()
def kwentar() -> None:
    """Say where Kaggle keeps kwentar's blur data set, and where to put it.

    Nothing is downloaded: Kaggle requires an account. The exit code is 0.
    """
    click.echo(
        "kwentar's blur data set is on Kaggle, which requires an account: "
        "https://www.kaggle.com/datasets/kwentar/blur-dataset; put its folders sharp, "
        "defocused_blurred and motion_blurred into data/kwentar"
    )


@data.group()
def make() -> None:
    """Make a data set in the layout that a preset is for."""


@make.command("three-class")
@click.argument("source")
@_target_argument
@count_option("--images", default=500, help="Number of images in each class.")
@flag("--sharpen", help="Sharpen the class 'sharp' instead of copying.")
@options.own_params_option
@one_line_errors("'blur data make'")
def three_class(
    source: str, target: Path, images: int, sharpen: bool, params_file: Path | None
) -> None:
    """Make folders blurry, original and sharp of 32x32 JPEGs in the new folder TARGET.

    SOURCE is a folder of sharp photos, or 'cifar10' to have Keras download that. "sharp" is an
    identical copy of "original", so no model can get more than two thirds right; --sharpen makes it
    different.
    """
    from blur_fusion.params import load_params
    from blur_fusion.presets.examples import make_three_class

    count = make_three_class(source, target, images, sharpen, load_params(params_file).seed)
    third = "sharpened" if sharpen else "the same as original"
    click.echo(f"{target}: {count} images in each of 3 folders; sharp is {third}")


@make.command("label-csv")
@click.argument("source", type=PATH)
@_target_argument
@options.own_params_option
@one_line_errors("'blur data make'")
def label_csv(source: Path, target: Path, params_file: Path | None) -> None:
    """Make images beside a metadata.csv (0 = blur, 1 = focus) in the new folder TARGET.

    SOURCE is a labelled data set of any known layout. Its photos are shrunk to 1024 pixels; each
    sharp one gets a Gaussian-blurred copy, which shares its scene.
    """
    from blur_fusion.params import load_params
    from blur_fusion.presets.examples import make_label_csv

    blur, focus = make_label_csv(source, target, load_params(params_file))
    click.echo(f"{target}: {blur} images of blur (0), {focus} in focus (1)")
