"""`python -m stages.test PATH`: the same as `blur test PATH`."""

from blur_fusion.cli.train import held_out_command

if __name__ == "__main__":
    held_out_command(prog_name="python -m stages.test", show_default=True)
