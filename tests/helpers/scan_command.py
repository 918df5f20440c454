"""Run `blur` as a process, as users do, or within this one."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from blur_fusion.cli import main
from trees import REPOSITORY, SOURCES

ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCES}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "blur_fusion.cli.main", *map(str, arguments)]


def path_of_programs(folder: Path) -> str:
    """PATH that begins with `folder`, where `blur` and `python` are programs."""
    folder.mkdir(exist_ok=True)
    for name, words in (("blur", "-m blur_fusion.cli.main"), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def blur(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("scan", *arguments), input=given, capture_output=True, env=ENVIRONMENT, check=False
    )


def started(*arguments: object, **more: Any) -> subprocess.Popen[bytes]:
    """Start a scan that writes JSON lines."""
    words = command("scan", *arguments, "--format", "jsonl")
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT, **more}
    return subprocess.Popen(words, **given)


@contextmanager
def served(*words: object, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the server `blur WORDS`; yields its address and process."""
    given = {**ENVIRONMENT, "PYTHONUNBUFFERED": "1", **environment}
    process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True, env=given)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+(/\S+/)?", process.stdout.readline())
        assert found is not None
        yield found[0], process
    finally:
        process.kill()
        process.wait()


@contextmanager
def app_served(
    model: Path, temporary: Path, *options: object
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The same for `blur app`; Ctrl-C ends it and it leaves nothing in `temporary`."""
    words = ["app", "--model", model, "--port", 0, "--no-grad-cam", "--max-upload", 1, *options]
    with served(*words, TMPDIR=str(temporary)) as (address, process):
        yield address, process
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert not list(temporary.glob("blur-app-*"))


def found(*arguments: object) -> list[dict[str, Any]]:
    """The rows of a scan, in this process, that read every photo."""
    ran = invoked("scan", *arguments, "--format", "jsonl")
    assert ran.exit_code == 0, ran.output
    return rows(ran)


def rows(ran: subprocess.CompletedProcess[bytes] | Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def emptied(photos: Iterable[Path]) -> None:
    """Zero the photos, but keep size and time: only a cache knows their results."""
    for photo in photos:
        about = photo.stat()
        photo.write_bytes(b"\0" * about.st_size)
        os.utime(photo, ns=(about.st_atime_ns, about.st_mtime_ns))


def linked(photo: Path, number: int) -> Path:
    """Hard-link a photo until its folder holds `number` names; returns the folder."""
    for k in range(1, number):
        os.link(photo, photo.with_name(f"{k:04d}.jpg"))
    return photo.parent


def invoked(*words: object) -> Result:
    """`blur WORDS`, in this process."""
    return CliRunner().invoke(main.blur, [*map(str, words)])


def run(
    *words: object, cwd: Path = REPOSITORY, fails: bool = False, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """`python WORDS` as a process, without variables that are None; checks whether it fails."""
    given = {name: value for name, value in {**ENVIRONMENT, **environment}.items() if value}
    program = [sys.executable, *map(str, words)]
    done = subprocess.run(program, cwd=cwd, env=given, capture_output=True, text=True)
    assert bool(done.returncode) == fails, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done


def python(code: str, *arguments: object) -> str:
    return run("-c", code, *arguments).stdout


_IMPORTED = """
import sys
before = set(sys.modules)
from blur_fusion.cli.main import main
try:
    main()
finally:
    after = {name.split(".")[0] for name in set(sys.modules) - before}
    print("\\n", *after - set(sys.stdlib_module_names))
"""


def imported(*arguments: object) -> set[str]:
    """Third-party packages that `blur ARGUMENTS` imports."""
    return set(python(_IMPORTED, *arguments).splitlines()[-1].split())
