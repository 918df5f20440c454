"""`make verify-release`: train the shipped model anew from the tracked files, and compare.

The stages run one after the other in a copy of the tree, so neither DVC's cache nor an artefact
that lies about can answer for them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.config.errors import BlurError, require
from pipeline.config.progress import progress_bar
from pipeline.config.running import run
from pipeline.data.store import Store
from pipeline.export.compare import Comparison, Pixels, compare
from pipeline.export.provenance import STAGES
from pipeline.serving.detector import SHIPPED
from pipeline.serving.folder import read_folder

ROOT = Path(__file__).resolve().parents[2]


def copy_tracked(root: Path, target: Path) -> int:
    """Copy the files that Git tracks below `root`, as they are now; gives their number.

    Raises
    ------
    BlurError
        `root` is no checkout.
    """
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise BlurError(f"{root}: no Git checkout to verify ({error})") from None
    names = [name for name in listed.decode().split("\0") if name and (root / name).is_file()]
    require(bool(names), f"{root}: Git tracks nothing here")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)
    return len(names)


def _run(copy: Path, *words: str) -> None:
    """`python words` in `copy`, on its code and with output shown."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, *words], cwd=copy, env=environment, check=False)
    require(done.returncode == 0, f"{' '.join(words)}: ended with status {done.returncode}")


def _validation(store: Store) -> Iterator[Pixels]:
    rows = np.flatnonzero(np.asarray(store.splits) == "validation")
    with progress_bar(len(rows), "compare") as bar:
        for row in rows:
            yield np.asarray(store.image(int(row)))
            bar.update()


def verify_release(root: Path, shipped: Path, folder: Path) -> Comparison:
    """Train in a copy of `root` below `folder` and compare the model with `shipped`.

    Raises
    ------
    BlurError
        `shipped` is no model folder, or a stage fails.
    """
    read_folder(shipped)  # what is not there need not be trained for an hour
    copy = folder / "tree"
    count = copy_tracked(root, copy)
    print(f"{count} tracked files copied; training anew")
    for stage in STAGES:
        _run(copy, "-m", f"stages.{stage}")
    _run(copy, "-m", "pipeline.cli.main", "export", str(folder / "model"))
    return compare(shipped, folder / "model", _validation(Store.open(copy / "artifacts/load")))


def main() -> None:
    """Verify the packaged model; exit 1 where the one trained anew answers otherwise."""
    with tempfile.TemporaryDirectory(prefix="blur-verify-") as folder:
        result = verify_release(ROOT, SHIPPED, Path(folder))
    for line in result.lines():
        print(line)
    if not result.same:
        raise BlurError("the model trained anew answers otherwise than the packaged one")
    print("verified: the packaged model is what this checkout trains")


if __name__ == "__main__":
    run(main)
