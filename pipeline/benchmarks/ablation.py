"""`python -m pipeline.benchmarks.ablation`: what each part of the model adds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.benchmarks.real_photos import json_file_option
from pipeline.cli.options import params_option
from pipeline.config.running import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.benchmarks.paired import Held
    from pipeline.benchmarks.stack_variants import Groups
    from pipeline.config import Params

_FIRST = 32


def measure_variants(
    artifacts: Path,
    params_file: Path,
    folder: Path | None,
    networks: bool,
    generator: bool,
    parts: bool = True,
) -> dict[str, Any]:
    """Train every variant and compare it with the default on the validation images.

    Parameters
    ----------
    artifacts : Path
        Holds load, cnn and features.
    params_file : Path
        Parameters that they were made with.
    folder : Path or None
        Where variants of the network and the generator lie; without it neither is trained.
    networks, generator, parts : bool
        Of what the variants are; without `parts` the stack is trained whole alone.

    Returns
    -------
    dict
        `images`, `scenes`, and `groups`: lists of rows as of
        :func:`pipeline.benchmarks.paired.compare`, the reference first.
    """
    from pipeline.benchmarks import generator_variants as samples
    from pipeline.benchmarks import network_variants as nets
    from pipeline.benchmarks import stack_variants as stack
    from pipeline.benchmarks.sample_without import PARTS
    from pipeline.benchmarks.stage_runs import codes_of, read_params_text
    from pipeline.config import load_params

    params, text = load_params(params_file), params_file.read_text(encoding="utf-8")
    if generator:
        read_params_text(params_file)  # refuses another data set, before time is spent
    table, held = stack.read_validation(artifacts, params.seed)
    more: Groups = []
    folders: list[Path] = []
    if networks and folder is not None:  # first: their workers count their own threads
        place, index = folder / "networks", table.index[~table.train]
        more.append(nets.network_variants(artifacts / "load", place, text, params, index))
        folders += [nets.path_of(place, part) for part in nets.NETWORKS]
    groups = stack.stack_variants(table, params, parts)
    if generator and folder is not None:
        place = folder / "generator"
        made = samples.generator_variants(artifacts, place, table, text, params)
        more.append((groups[1][0], made))
        folders += [samples.path_of(place, part) for part in PARTS]
    groups += more
    return {
        "images": len(held.labels),
        "scenes": len(set(held.codes.tolist())),
        "groups": _compared(held, groups, params),
        "code": sorted({code for place in folders for code in codes_of(place)}),
    }


def _compared(held: Held, groups: Groups, params: Params) -> list[list[dict[str, Any]]]:
    from pipeline.benchmarks.paired import compare

    resamples, seed = params.evaluate.resamples, params.seed
    return [compare(held, first, others, resamples, seed) for first, others in groups]


def _row(cells: Sequence[str]) -> str:
    first, loss, more, area, less = cells
    return f"{first:<{_FIRST}}{loss:>10}{more:>29}{area:>10}{less:>29}".rstrip()


def _difference(cell: dict[str, float | None]) -> str:
    value, low, high = (cell[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "n/a"
    star = "*" if low > 0 or high < 0 else " "
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]{star}"


def as_text(found: dict[str, Any]) -> str:
    """One table: each reference, and below it what it is compared with."""
    lines = [
        f"{found['images']} validation images of {found['scenes']} scenes; each half of the scenes "
        "is calibrated on the other",
        "differences: variant minus the reference above it, 95 % intervals resampled by scene; "
        "* excludes zero",
        "a part helps where log-loss grows and AUC falls without it; one training each, so "
        "chance between trainings is in them",
        "",
        _row(["", "log-loss", "difference [95 %] ", "AUC", "difference [95 %] "]),
    ]
    for rows in found["groups"]:
        for row in rows:
            reference = "auc_difference" not in row
            lines.append(
                _row(
                    [
                        row["name"],
                        f"{row['log_loss']:.4f}",
                        "" if reference else _difference(row["log_loss_difference"]),
                        f"{row['auc']:.4f}",
                        "" if reference else _difference(row["auc_difference"]),
                    ]
                )
            )
        lines.append("")
    if len(found["code"]) > 1:
        lines.append("note: the code changed between the variants of networks or generator")
    return "\n".join(lines).rstrip()


@click.command()
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path),
    default=Path("artifacts"),
    show_default=True,
    help="Folder that holds load, cnn and features.",
)
@params_option
@click.option(
    "--parts/--no-parts", default=True, show_default=True, help="Train the stack without each part."
)
@click.option("--networks", is_flag=True, help="Train the CNN without each part: minutes each.")
@click.option(
    "--generator", is_flag=True, help="Render the sample without each part: minutes each."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where networks and samples lie; what is done there is kept.",
)
@json_file_option
def ablation_command(
    artifacts: Path,
    params_file: Path,
    parts: bool,
    networks: bool,
    generator: bool,
    folder: Path | None,
    json_file: Path | None,
) -> None:
    """Leave out one part at a time and compare on the validation images; no test image is seen.

    The stack's variants take a minute each. --networks trains the final CNN without
    attention, augmentation, overlays, ranked pairs, the coarse scale; --generator renders the
    data set without overlays, hard scenes, fixed patterns, strong sharpening, shallow focus, small
    framings, camera roll, and stacks its focus measures. Both need --folder.
    """
    from pipeline.config import require
    from pipeline.evaluation.report import as_json

    need = "--networks and --generator need --folder, where their runs lie"
    require(folder is not None or not (networks or generator), need)
    found = measure_variants(artifacts, params_file, folder, networks, generator, parts)
    if json_file is not None:
        json_file.write_text(as_json(found), encoding="utf-8")
    click.echo(as_text(found))


if __name__ == "__main__":
    run(ablation_command)
