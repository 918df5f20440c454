"""`blur preset` and `blur data make`: systems that people start from, and data in their layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from blur_fusion.cli import options
from blur_fusion.cli.options import COUNT, PATH
from blur_fusion.errors import one_line_errors


class _Presets(click.Command):
    """Its help lists the presets of this folder."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from blur_fusion.presets.params import known_presets, load_preset

        if names := known_presets():
            with formatter.section("Presets"):
                formatter.write_dl([(name, load_preset(name).about) for name in names])


@click.command(cls=_Presets)
@click.argument("name")
@click.option("--data", type=PATH, help="Train on this folder instead of what 'load' stored.")
@click.option(
    "--test", "tested", type=PATH, help="Only judge this folder, with the trained preset."
)
@click.option("--out", type=PATH, help="Folder of the result.  [default: artifacts/presets/NAME]")
@click.option("--weights", help="Weights of the backbone: a file, 'imagenet' or 'random'.")
@click.option("--epochs", type=COUNT, help="Train for so many epochs, instead of the preset's.")
@click.option("--images", type=COUNT, help="Train on at most this many images.")
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
def make() -> None:
    """Make a data set in the layout that a preset is for."""


@make.command("three-class")
@click.argument("source")
@options.target_argument
@click.option("--images", type=COUNT, default=500, help="Number of images in each class.")
@click.option("--sharpen", is_flag=True, help="Sharpen the class 'sharp' instead of copying.")
@options.own_params_option
@one_line_errors("'blur data make'")
def three_class(
    source: str, target: Path, images: int, sharpen: bool, params_file: Path | None
) -> None:
    """Make folders blurry, original and sharp of 32x32 JPEGs in the new folder TARGET.

    SOURCE is a folder of sharp photos, or 'cifar10' to have Keras download that. "sharp" is an
    identical copy of "original", so that no judge names more than two thirds rightly; --sharpen
    makes it a class of its own.
    """
    from blur_fusion.params import load_params
    from blur_fusion.presets.examples import make_three_class

    count = make_three_class(source, target, images, sharpen, load_params(params_file).seed)
    third = "sharpened" if sharpen else "the same as original"
    click.echo(f"{target}: {count} images in each of 3 folders; sharp is {third}")


@make.command("label-csv")
@click.argument("source", type=PATH)
@options.target_argument
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
