"""Run `blur`, or a function, in a forked process that may hang, crash or eat memory.

A single-threaded server imports the slow modules once and forks for each run.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from trees import REPOSITORY, SOURCES

MB = 1 << 20
WHOLE = os.environ.get("BLUR_HOSTILE") == "all"  # otherwise a short form of tests/hostile
Results = list[tuple[str, int, int, float]]  # what was tried, how many, failures, peak MB
SLOW = ("cv2", "numpy", "onnxruntime", "PIL.Image", "pillow_heif", "rawpy", "hypothesis")
OURS = ("cli.main", "scan.engine", "scan.pool", "model.classifier", "explain.explainer")


@dataclass(frozen=True)
class Outcome:
    """How it ended: exit code (minus the signal that killed it), output, peak MB."""

    code: int
    out: str
    err: str
    peak: float
    hung: bool


def _work(request: dict[str, Any]) -> int:
    if request["call"]:
        module, name = request["call"].split(":")
        return int(getattr(importlib.import_module(module), name)(*request["arguments"]) or 0)
    from blur_fusion.cli.main import main

    sys.argv = ["blur", *map(os.fsdecode, map(bytes.fromhex, request["arguments"]))]
    main()
    return 0


def _child(request: dict[str, Any], out: IO[bytes], err: IO[bytes]) -> None:
    code = 70
    try:
        os.setsid()
        os.chdir(request["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        if request["memory"]:
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + request["memory"] * MB,) * 2)
        code = _work(request)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(request: dict[str, Any]) -> Outcome:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start, hung = time.monotonic(), False
        child = os.fork()
        if child == 0:
            _child(request, out, err)
        while True:
            pid, status, usage = os.wait4(child, os.WNOHANG)
            if pid:
                break
            if not hung and time.monotonic() - start > request["limit"]:
                hung = True
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.002)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 20).decode("utf-8", "backslashreplace"))
        code = os.waitstatus_to_exitcode(status)
        return Outcome(code, *texts, usage.ru_maxrss / 1024, hung)


def serve() -> None:
    """Answer requests, one JSON line each, until standard input ends."""
    for name in (*SLOW, *(f"blur_fusion.{room}" for room in OURS)):
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        print(json.dumps(asdict(_run(json.loads(line)))), file=answers, flush=True)


class Forks:
    """The server; a context manager."""

    def __enter__(self) -> Forks:
        folders = [str(REPOSITORY / "tests" / name) for name in ("helpers", "hostile")]
        paths = os.pathsep.join((SOURCES, *folders))
        # With one BLAS thread the server stays single-threaded.
        environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
        words = [sys.executable, "-c", "import forked; forked.serve()"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._server = subprocess.Popen(words, text=True, env=environment, **pipes)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.communicate(timeout=60)

    def _ask(self, **request: Any) -> Outcome:
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return Outcome(**json.loads(self._server.stdout.readline()))

    def blur(self, *arguments: object, folder: object, limit: float, memory: int = 0) -> Outcome:
        """`blur ARGUMENTS` in `folder`, for at most `limit` seconds and `memory` MB more."""
        words = [os.fsencode(str(word)).hex() for word in arguments]
        more = {"folder": str(folder), "limit": limit, "memory": memory}
        return self._ask(call="", arguments=words, **more)

    def call(self, name: str, *arguments: Any, limit: float, memory: int = 0) -> Outcome:
        """Call the function `module:name` with JSON arguments; it returns the exit code."""
        more = {"folder": str(REPOSITORY), "limit": limit, "memory": memory}
        return self._ask(call=name, arguments=arguments, **more)
