"""What a newcomer sees: `blur` alone, `blur doctor`, an empty folder, a terminal."""

import importlib.metadata
import os
import pty
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from blur_fusion import native
from blur_fusion.cli import doctor
from blur_fusion.cli.main import blur
from blur_fusion.native import library
from scan_command import ENVIRONMENT, command, imported, invoked
from trees import write_photos


def test_blur_alone_says_what_to_try() -> None:
    ran = invoked()
    assert ran.exit_code == 0 and max(map(len, ran.stdout.splitlines())) <= 80
    tried = re.findall(r"^  blur (\w+)", ran.stdout, re.MULTILINE)
    assert "scan" in tried and set(tried) <= set(blur.commands)
    assert imported() == {"blur_fusion", "click"}


def test_doctor_says_what_is_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_doctor_tells_loops_of_another_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
