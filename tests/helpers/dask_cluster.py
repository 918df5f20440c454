"""A Dask scheduler and workers, each a process of its own, on this machine; photos for them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trees import SOURCES, write_photo

_SIZE = (400, 600)  # large enough that a worker is at work when it is killed
_TOOL = "import sys; from distributed.cli.dask_{0} import main; sys.exit(main())"
# A result whose worker died just then is waited for no longer than this.
_QUICK = {"PYTHONPATH": SOURCES, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}


def photos_in(folder: Path, number: int) -> list[Path]:
    paths = [folder / f"{k:02d}.jpg" for k in range(number)]
    return [write_photo(path, k, k % 3 == 0, _SIZE) for k, path in enumerate(paths)]


@dataclass(frozen=True)
class Processes:
    """Running ones; `workers` have one thread each."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


def _started(stack: ExitStack, tool: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", _TOOL.format(tool), *arguments, "--no-dashboard"],
        cwd=os.path.abspath(os.sep),  # as other machines: relative paths mean nothing there
        env={**os.environ, **_QUICK, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def stop() -> None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()  # one that has ended already is left alone
        process.wait()

    stack.callback(stop)
    return process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def processes(
    workers: int, worker: Sequence[str] = ("--no-nanny",), **more: str
) -> Iterator[Processes]:
    """A scheduler with `workers`; `more` is added to their environment."""
    from distributed import Client

    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        scheduler = _started(stack, "scheduler", "--host", address, **more)
        single = ("--nthreads", "1", "--host", "127.0.0.1", *worker)
        started = [_started(stack, "worker", address, *single, **more) for _ in range(workers)]
        with Client(address, timeout=20, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=20) if workers else None
        yield Processes(address, scheduler, started)
