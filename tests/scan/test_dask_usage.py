"""`blur scan --backend dask` used wrongly: one line each, soon."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import pytest

from fake_judge import album
from scan_command import blur
from tiny_model import write_tiny_model

if importlib.util.find_spec("distributed") is None:
    pytest.skip("the extra 'dask' is not installed", allow_module_level=True)

from blur_fusion.errors import BlurError
from blur_fusion.scan.dask import connected
from dask_cluster import free_port, processes


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


def test_wrong_address_is_one_line_soon(tmp_path: Path, model: Path) -> None:
    (photo,) = album(tmp_path / "photos", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    began = time.monotonic()
    ran = blur(photo, "--model", model, "--backend", "dask", "--scheduler", address)
    assert time.monotonic() - began < 10
    assert ran.returncode == 2 and ran.stdout == b""
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith(f"error: {address}: no Dask scheduler answers there (")


@pytest.mark.parametrize("address", ["nonsense://x", "127.0.0.1:x", "127.0.0.1"])
def test_what_is_no_address_is_refused_at_once(address: str, model: Path) -> None:
    line = f"^{address}: no Dask scheduler answers there \\("
    with pytest.raises(BlurError, match=line), connected(address, model, "x"):
        pytest.fail("connected")


def test_scheduler_without_workers_is_one_line(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blur_fusion.scan.dask._WORKER", 0.5)
    with (
        processes(0) as running,
        pytest.raises(BlurError, match="^tcp.*no worker took a task"),
        connected(running.address, model, "x"),
    ):
        pytest.fail("connected")


def test_options_that_do_not_go_together(tmp_path: Path, model: Path) -> None:
    for wrong in (
        ["--backend", "dask"],
        ["--scheduler", "tcp://127.0.0.1:1"],
        ["--backend", "dask", "--scheduler", "tcp://127.0.0.1:1", "--workers", "2"],
    ):
        ran = blur(tmp_path, "--model", model, *wrong)
        assert ran.returncode == 2 and b"Error: --" in ran.stderr, wrong


def test_without_the_extra_one_line_names_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BlurError) as caught, connected("tcp://127.0.0.1:1", model, "x"):
        pytest.fail("connected")
    assert "pip install 'blur-fusion[dask]'" in str(caught.value)
