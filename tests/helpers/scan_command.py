"""`blur scan` in a process of its own, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from trees import SOURCES

ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCES}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "blur_fusion.cli.main", *map(str, arguments)]


def blur(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("scan", *arguments), input=given, capture_output=True, env=ENVIRONMENT, check=False
    )


def rows(ran: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]
