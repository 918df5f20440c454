"""The command line: help for all of it, errors in one line, `blur` alone and `blur doctor`."""

import importlib.metadata
import importlib.util
import json
import os
import pty
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pytest import MonkeyPatch

from blur_fusion import __version__, native
from blur_fusion.cli import doctor
from blur_fusion.cli.main import blur
from blur_fusion.native import library
from evaluation_fakes import write_images
from scan_command import ENVIRONMENT, command, imported, invoked
from trees import REPOSITORY, write_photos


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


@pytest.mark.parametrize("words", ["blur data check x", "blur data fetch certh"])
@pytest.mark.parametrize("missing", ["tensorflow", "sklearn"])
def test_missing_extra_is_one_line(monkeypatch: MonkeyPatch, words: str, missing: str) -> None:
    find = importlib.util.find_spec

    def without(module: str, *more: Any) -> Any:
        return None if module == missing else find(module, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    result = invoked(*words.split()[1:])
    named = words.removesuffix(" check x").removesuffix(" certh")
    line = f"error: '{named}' needs the extra 'train': pip install 'blur-fusion[train]'\n"
    assert (result.exit_code, result.stderr) == (1, line)


def test_data_check_counts(tmp_path: Path) -> None:
    command = ("data", "check", tmp_path / "mine", "--params", REPOSITORY / "params.yaml")
    (tmp_path / "mine").mkdir()
    nothing = invoked(*command)
    assert nothing.exit_code == 1
    assert nothing.stderr.startswith("error: ") and nothing.stderr.count("\n") == 1
    write_images(tmp_path / "mine", 3)
    (tmp_path / "mine" / "blurred" / "2.png").unlink()
    found = json.loads(invoked(*command, "--json").stdout)
    assert (found["images"], found["layout"]) == (5, "folders")
    (subset,) = found["subsets"].values()
    assert (subset["blurred"], subset["sharp"]) == (2, 3)
    assert invoked(*command).stdout.startswith(f"data set mine {found['digest'][:12]}: 5 images")
    rows = "filename,label\nsharp/0.png,sharp\nblurred/0.png,ambiguous\n"
    (tmp_path / "mine" / "labels.csv").write_text(rows)
    text = invoked(*command).stdout
    assert "layout: labels" in text and "note: labels.csv: 1 rows are ambiguous: left out" in text


def test_blur_alone_says_what_to_try() -> None:
    ran = invoked()
    assert ran.exit_code == 0 and max(map(len, ran.stdout.splitlines())) <= 80
    tried = re.findall(r"^  blur (\w+)", ran.stdout, re.MULTILINE)
    assert "scan" in tried and set(tried) <= set(blur.commands)
    assert imported() == {"blur_fusion", "click"}


def test_doctor_says_what_is_there(model: Path, monkeypatch: MonkeyPatch) -> None:
    said = invoked("doctor", "--model", model)
    assert said.exit_code == 0 and str(model) in said.stdout and "JPEG" in said.stdout
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name == "rawpy":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    assert doctor.missing_packages()["raw"] == ["rawpy"]
    assert re.search(r"raw +no .*pip install 'blur-fusion\[raw\]'", invoked("doctor").stdout)
    wrong = invoked("doctor", "--model", model / "absent")
    assert wrong.exit_code == 1 and wrong.stderr.startswith("error: ")


def test_doctor_tells_loops_of_another_version(monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "library", lambda: None)
    monkeypatch.setattr(native, "__path__", [str(tmp_path)])
    monkeypatch.delenv(library.SWITCH, raising=False)
    assert "install a C compiler" in invoked("doctor").stdout
    (tmp_path / "kernels.so.so").touch()
    assert "of another version" in invoked("doctor").stdout
    monkeypatch.setenv(library.SWITCH, "0")
    assert "not used" in invoked("doctor").stdout


def _on_terminal(columns: int, *words: object, **variables: str) -> str:
    """What a terminal of so many columns shows of `blur scan WORDS`."""
    import fcntl
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {k: v for k, v in ENVIRONMENT.items() if k not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        command("scan", *words),
        **{"stdin": slave, "stdout": slave, "stderr": slave},
        env=environment | {"TERM": "xterm-256color"} | variables,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:  # the other end is closed
            break
    os.close(master)
    assert process.wait() == 0, shown
    return shown.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="reads a terminal as Linux has it")
def test_a_scan_on_a_terminal(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert _on_terminal(80, tmp_path / "empty").strip() == "no photos found"
    root = write_photos(tmp_path / ("a" * 60), 2)
    shown = _on_terminal(80, root, "--model", model)
    assert "\x1b[31mblurred\x1b[0m" in shown and "4 photos: 2 blurred" in shown
    assert "4/4" in shown  # the progress bar
    plain = re.sub("\x1b\\[.*?[a-zA-Z]", "", shown)
    rows = [line for line in re.split("[\r\n]+", plain) if line.endswith(".jpg")]
    assert len(rows) == 4 and {len(row) for row in rows} == {80}
    shown = _on_terminal(200, root, "--model", model, NO_COLOR="1")
    assert "\x1b[31m" not in shown and f"{root}/blurred/b0.jpg" in shown
