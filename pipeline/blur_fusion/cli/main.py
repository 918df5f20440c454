"""`blur`: parses and prints; the library works. Heavy imports stay inside the commands."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from blur_fusion import __version__
from blur_fusion.cli import options
from blur_fusion.cli.actions import apply
from blur_fusion.cli.calibrate import calibrate
from blur_fusion.cli.doctor import doctor
from blur_fusion.cli.explain import app, explain
from blur_fusion.cli.options import PATH
from blur_fusion.cli.preset import make, preset
from blur_fusion.cli.review import review
from blur_fusion.cli.scan import scan
from blur_fusion.data.sources import CERTH_TARGET, CERTH_URL, KWENTAR_LINE
from blur_fusion.errors import one_line_errors
from blur_fusion.startup import own_stderr

_FIRST = """Blur Fusion tells blurred photos from sharp ones. Try:

  blur scan ~/Photos                       which photos are blurred
  blur scan ~/Photos --report review.html  a page to look through them
  blur review ~/Photos                     the same page, live: keep or reject
  blur scan ~/Photos --move ~/Blurred      move them; blur undo brings them back
  blur explain photo.jpg                   why a photo is called blurred
  blur doctor                              what is installed

blur --help lists all commands, blur scan --help all options."""


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, prog_name="blur")
@click.pass_context
def blur(context: click.Context) -> None:
    """Tell blurred photos from sharp ones."""
    if context.invoked_subcommand is None:
        click.echo(_FIRST)


@blur.group()
def data() -> None:
    """Inspect, download and make data sets."""


@blur.command()
@options.target_argument
@options.model_dir_option
@options.params_option
@click.option("--force", is_flag=True, help="Replace the model that TARGET holds.")
@one_line_errors("'blur export'")
def export(target: Path, model_dir: Path, params_file: Path, force: bool) -> None:
    """Write the trained model to the folder TARGET.

    `blur scan --model TARGET` and `BlurDetector("TARGET")` use it, without TensorFlow or
    scikit-learn. TARGET must be new or empty; --force replaces a model, and nothing else. The
    folder records what the model was made from.
    """
    from blur_fusion.model.export import export_model

    options.warn(*export_model(target, model_dir, params_file, force))
    size = sum(path.stat().st_size for path in target.iterdir())
    click.echo(f"{target}: model written, {size / 1e6:.2f} MB")


@data.group()
def fetch() -> None:
    """Download a published data set to its folder under data."""


@fetch.command()
@click.option("--url", default=CERTH_URL, help="Address of the official zip.")
@click.option(
    "--target",
    type=PATH,
    default=Path(CERTH_TARGET),
    help="Folder to create, which must not exist; the zip is kept beside it.",
)
@click.option("--zip", "archive", type=PATH, help="Unpack this zip, downloaded by hand, instead.")
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
    options.warn(*mismatches, fail=True)


@fetch.command()
def kwentar() -> None:
    """Say where Kaggle keeps kwentar's blur data set, and where to put it.

    Nothing is downloaded: Kaggle requires an account. The exit code is 0.
    """
    click.echo(KWENTAR_LINE)


@blur.command()
@click.argument("journal", type=PATH)
@click.option(
    "--at", type=PATH, metavar="NEW_ROOT", help="Where the photos' folder is now, if it was moved."
)
@one_line_errors()
def undo(journal: Path, at: Path | None) -> None:
    """Undo everything that the JOURNAL of a run records.

    'blur scan' names the journal when it has moved, copied, linked or tagged photos. Moved photos
    return, copies and links are deleted, and sidecars get their former content back, even after a
    crash. Nothing newer is overwritten or deleted: each such case is one line, and the exit code is
    1; run it again to retry those. If a whole library was moved since, --at names its folder.
    """
    from blur_fusion.actions.undo import undo as put_back

    report = put_back(journal, at)
    click.echo(report.summary)
    options.warn(*report.lines, fail=True)


@blur.command("test")
@options.path_argument
@options.json_option
@options.model_option
@click.option(
    "--judge",
    type=click.Choice(("fused", "cnn", "features")),
    default="fused",
    help="Model whose mistakes are listed and whose kinds of blur are counted.",
)
@click.option(
    "--model-dir",
    "artifacts",
    type=PATH,
    help="Folder written by 'make repro': test its model, beside its baselines.",
)
@options.own_params_option
@options.layout_option
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
    options.warn(*result["unreadable"], fail=True)


@data.command()
@options.path_argument
@options.json_option
@options.own_params_option
@options.layout_option
@one_line_errors("'blur data'")
def check(path: Path, as_json: bool, params_file: Path | None, layout: str) -> None:
    """Say what the data set at PATH holds.

    Images by subset and label, scenes, and notes on what is left out. Nothing is changed.
    """
    import json

    from blur_fusion.data.describe import as_text, describe
    from blur_fusion.data.layouts import open_dataset
    from blur_fusion.params import load_params

    found = describe(open_dataset(path, layout, load_params(params_file).dataset))
    click.echo(json.dumps(found, indent=2, sort_keys=True) if as_json else as_text(found))


data.add_command(make)
for command in (scan, review, apply, calibrate, preset, explain, app, doctor):
    blur.add_command(command)


def main() -> None:
    """Entry point of the console script `blur`."""
    own_stderr()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing half done, as after Ctrl-C
    blur()


if __name__ == "__main__":
    main()
