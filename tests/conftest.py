"""Shared fixtures: real photos, and tiny data sets of each layout."""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stages  # noqa: F401  (pins instruction sets, before NumPy is loaded, as child processes do)
from action_trees import out, root  # noqa: F401  (fixtures)
from browser import browser, new_page, page  # noqa: F401  (fixtures)
from trees import REPOSITORY, Tree, write_certh, write_photos

# Background jobs of a shell ignore Ctrl-C, and so would the programs that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)

# Otherwise the first use of TensorFlow in a process fixes its threads, and so the last bits.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")


# `make test` starts with these long files, so that its processes end at about the same time.
LONG = ("test_end_to_end", "test_run", "test_comparison", "test_train", "test_dask", "test_golden")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


def pytest_collection_finish() -> None:
    """What is imported by now stays: scanning it for garbage again and again is slow."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def no_idle_processes() -> Iterator[None]:
    """End joblib's processes with the file that used them: TensorFlow takes a gigabyte each."""
    yield
    loky = sys.modules.get("joblib.externals.loky")
    if loky is not None:
        loky.get_reusable_executor(kill_workers=True, reuse=False).shutdown(kill_workers=True)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_model import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real photos for development; they lie outside the repository."""
    folder = Path(os.environ.get("BLUR_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("real photos are absent: no ../shared/data, BLUR_SHARED_DATA is not set")
    return folder


@pytest.fixture
def certh_tree(tmp_path: Path) -> Tree:
    """Make a tiny CERTH tree with the irregularities of the real one.

    `certh_tree(scenes=12)` writes `scenes` images into each training folder, 3 scenes of 3 images
    into the digital and 6 images into the natural half, and returns the root.
    """
    return lambda scenes=12: write_certh(tmp_path / "certh", scenes)


@pytest.fixture
def folder_tree(tmp_path: Path) -> Tree:
    """Make class folders: `folder_tree("sharp", "blurred", scenes=10)`."""
    return lambda *names, scenes=10: write_photos(tmp_path / "own", scenes, *names)
