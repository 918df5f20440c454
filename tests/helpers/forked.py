"""Run `blur`, or another function, in a forked process that may hang, crash or eat memory.

The fork server of `multiprocessing` imports the slow modules once.
"""

import os
import resource
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

MB = 1 << 20
WHOLE = os.environ.get("BLUR_HOSTILE") == "all"  # otherwise a short form of tests/hostile
Call = Callable[..., None]
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


@cache
def _server() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload([*SLOW, *(f"blur_fusion.{name}" for name in OURS)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")  # so the server stays single-threaded
        forkserver.ensure_running()
    return context


def blur(*words: str) -> None:
    from blur_fusion.cli.main import main

    sys.argv = ["blur", *words]
    main()


def of_file(path: str, name: str, *words: Any) -> None:
    """Call a function of the file `path`."""
    runpy.run_path(path)[name](*words)


def _child(call: Call, words: Sequence[Any], folder: Path, memory: int, place: Path) -> None:
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in enumerate((os.devnull, place / "out", place / "err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + memory * MB,) * 2)
        call(*words)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        users = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
        peak = max(resource.getrusage(who).ru_maxrss for who in users)
        (place / "peak").write_text(str(peak / 1024))
        os._exit(code)


def forked(call: Call, *words: object, folder: Path, limit: float, memory: int) -> Outcome:
    """`call(*WORDS)` in `folder`, for at most `limit` seconds and `memory` MB more."""
    with TemporaryDirectory() as given:
        arguments = (call, [*map(str, words)], folder, memory, Path(given))
        process = _server().Process(target=_child, args=arguments)
        process.start()
        process.join(limit)
        if hung := process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
        found = {file.name: file.read_bytes()[:MB] for file in Path(given).iterdir()}
        out, err = (found[name].decode("utf-8", "backslashreplace") for name in ("out", "err"))
        return Outcome(process.exitcode, out, err, float(found.get("peak", 0)), hung)
