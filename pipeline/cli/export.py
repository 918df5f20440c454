"""`blur export`: a trained model as a folder of ONNX and JSON."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli import options


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@options.model_dir_option
@options.params_option
@click.option("--force", is_flag=True, help="Replace the model that TARGET holds.")
@options.needs_train("blur export")
@options.one_line_errors
def export(target: Path, model_dir: Path, params_file: Path, force: bool) -> None:
    """Write the trained model to the folder TARGET, as ONNX and JSON.

    `blur scan --model TARGET` and `BlurDetector("TARGET")` use it, where neither TensorFlow nor
    scikit-learn is needed. TARGET must be new or empty; --force replaces a model, and nothing
    else. The folder says what the model was made from.
    """
    from pipeline.export.write import export_model

    for line in export_model(target, model_dir, params_file, force):
        click.echo(f"warning: {line}", err=True)
    size = sum(path.stat().st_size for path in target.iterdir())
    click.echo(f"{target}: model written, {size / 1e6:.2f} MB")
