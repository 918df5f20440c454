"""The command line: help for all of it, fast, errors in one line."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from blur_fusion import __version__
from blur_fusion.cli.main import blur
from evaluation_fakes import write_images
from scan_command import imported, invoked
from trees import REPOSITORY

PARAMS = ("--params", str(REPOSITORY / "params.yaml"))


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child, below in command.commands.items():
            yield from _commands(below, f"{name} {child}")


COMMANDS = dict(_commands(blur, "blur"))


@pytest.mark.parametrize("name", COMMANDS)
def test_command_and_options_have_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help, name
    for parameter in command.params:
        argument = not isinstance(parameter, click.Option)
        said = str(parameter.name).upper() in command.help if argument else parameter.help
        assert said, f"{name} {parameter.opts[0]}"
    result = invoked(*name.split()[1:], "--help")
    assert result.exit_code == 0 and result.stdout.startswith("Usage: ")
    if not isinstance(command, click.Group):
        assert f"\n## {name}\n" in (REPOSITORY / "docs/cli.md").read_text("utf-8"), "make docs"


def test_version_and_that_help_imports_nothing_but_click() -> None:
    assert {"blur test", "blur data check", "blur data fetch certh"} <= COMMANDS.keys()
    assert invoked("--version").stdout == f"blur, version {__version__}\n"
    assert imported("--help") == {"blur_fusion", "click"}


@pytest.mark.parametrize("words", ["nonsense", "test", "test x --layout odd", "data check"])
def test_wrong_usage_exits_2(words: str) -> None:
    assert invoked(*words.split()).exit_code == 2


@pytest.mark.parametrize(
    ("words", "named"), [("data check x", "blur data"), ("data fetch certh", "blur data fetch")]
)
@pytest.mark.parametrize("missing", ["tensorflow", "sklearn"])
def test_missing_extra_is_one_line(
    monkeypatch: pytest.MonkeyPatch, words: str, named: str, missing: str
) -> None:
    find = importlib.util.find_spec

    def without(module: str, *more: Any) -> Any:
        return None if module == missing else find(module, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    result = invoked(*words.split())
    line = f"error: '{named}' needs the extra 'train': pip install 'blur-fusion[train]'\n"
    assert (result.exit_code, result.stderr) == (1, line)


def test_data_check_counts(tmp_path: Path) -> None:
    nothing = invoked("data", "check", tmp_path, *PARAMS)
    assert nothing.exit_code == 1
    assert nothing.stderr.startswith("error: ") and nothing.stderr.count("\n") == 1
    write_images(tmp_path / "mine", 3)
    (tmp_path / "mine" / "blurred" / "2.png").unlink()
    command = ("data", "check", tmp_path / "mine", *PARAMS)
    found = json.loads(invoked(*command, "--json").stdout)
    assert (found["images"], found["layout"]) == (5, "folders")
    (subset,) = found["subsets"].values()
    assert (subset["blurred"], subset["sharp"]) == (2, 3)
    assert invoked(*command).stdout.startswith(f"data set mine {found['digest'][:12]}: 5 images")
    rows = "filename,label\nsharp/0.png,sharp\nblurred/0.png,ambiguous\n"
    (tmp_path / "mine" / "labels.csv").write_text(rows)
    text = invoked(*command).stdout
    assert "layout: labels" in text and "note: labels.csv: 1 rows are ambiguous: left out" in text
