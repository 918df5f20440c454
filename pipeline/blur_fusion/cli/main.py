"""`blur`: parses and prints; the library works. Heavy imports stay inside the commands."""

from __future__ import annotations

import signal

import click

from blur_fusion import __version__
from blur_fusion.cli.actions import apply, undo
from blur_fusion.cli.doctor import doctor
from blur_fusion.cli.pages import app, explain, review
from blur_fusion.cli.scan import scan
from blur_fusion.cli.train import calibrate, data, export, held_out_command, preset
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


_LOOK = (scan, review, apply, undo, explain, app, doctor)
_TRAIN = (data, preset, export, held_out_command, calibrate)
for command in (*_LOOK, *_TRAIN):
    blur.add_command(command)


def main() -> None:
    """Entry point of the console script `blur`."""
    own_stderr()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing half done, as after Ctrl-C
    blur()


if __name__ == "__main__":
    main()
