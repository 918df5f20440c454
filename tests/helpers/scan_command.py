"""`blur` in a process of its own, as people run it, and in this one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from blur_fusion.cli import main
from trees import REPOSITORY, SOURCES

ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCES}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "blur_fusion.cli.main", *map(str, arguments)]


def blur(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("scan", *arguments), input=given, capture_output=True, env=ENVIRONMENT, check=False
    )


def started(*arguments: object, **more: Any) -> subprocess.Popen[bytes]:
    """A scan that writes JSON lines, under way."""
    words = command("scan", *arguments, "--format", "jsonl")
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT, **more}
    return subprocess.Popen(words, **given)


def found(*arguments: object) -> list[dict[str, Any]]:
    """The rows of a scan that could read all."""
    ran = blur(*arguments, "--format", "jsonl")
    assert ran.returncode == 0, ran.stderr
    return rows(ran)


def rows(ran: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def emptied(photos: Iterable[Path]) -> None:
    """Photos of the same name, size and time, so that only a cache can know them."""
    for photo in photos:
        about = photo.stat()
        photo.write_bytes(b"\0" * about.st_size)
        os.utime(photo, ns=(about.st_atime_ns, about.st_mtime_ns))


def linked(photo: Path, number: int) -> Path:
    """The folder of a photo, which has so many names there from now on."""
    for k in range(1, number):
        os.link(photo, photo.with_name(f"{k:04d}.jpg"))
    return photo.parent


def invoked(*words: object) -> Result:
    """`blur WORDS`, in this process."""
    return CliRunner().invoke(main.blur, [*map(str, words)])


def python(code: str, *arguments: object) -> str:
    """What a program of Python prints, in a process of its own."""
    words = [sys.executable, "-c", code, *map(str, arguments)]
    place = {"cwd": REPOSITORY, "env": ENVIRONMENT, "check": True, "timeout": 120}
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, **place).stdout


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
    """Packages beside Python's own that `blur ARGUMENTS` has imported when it ends."""
    return set(python(_IMPORTED, *arguments).splitlines()[-1].split())
