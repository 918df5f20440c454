"""`make verify-release`: train the shipped model anew from the tracked files, and compare."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require, run
from blur_fusion.model.classifier import SHIPPED, BlurDetector
from blur_fusion.model.folder import MODEL, NETWORK, STACK, read_folder
from blur_fusion.model.provenance import STAGES
from blur_fusion.progress import progress_bar

CLOSE = 1e-3  # a probability may differ by so much and still be the same answer

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """How far two models are apart.

    Attributes
    ----------
    other_bytes : tuple of str
        Files whose bytes differ.
    origin : tuple of str
        Parts of the provenance that differ.
    weights : float
        Largest difference of a weight; infinite where their shapes differ.
    images : int
        Images that both judged.
    probability : float
        Largest difference of a calibrated probability on them.
    verdicts : tuple of int
        Positions of the images whose verdict or kind differs.
    """

    other_bytes: tuple[str, ...]
    origin: tuple[str, ...]
    weights: float
    images: int
    probability: float
    verdicts: tuple[int, ...]

    @property
    def same(self) -> bool:
        """Whether they answer alike: every verdict, and probabilities within `CLOSE`."""
        return not self.verdicts and self.probability <= CLOSE

    def lines(self) -> list[str]:
        """What to print."""
        if not self.other_bytes:
            found = ["byte-equal: " + ", ".join((NETWORK, STACK, MODEL))]
        else:
            found = [f"other bytes: {', '.join(self.other_bytes)}"]
            found += [f"provenance differs in: {', '.join(self.origin)}"] if self.origin else []
            found.append(f"largest difference of a weight: {self.weights:.3g}")
        found.append(
            f"{self.images} validation images: {len(self.verdicts)} other verdicts, "
            f"probabilities within {self.probability:.3g} (allowed: {CLOSE:g})"
        )
        return found


def _network_weights(path: Path) -> dict[str, npt.NDArray[Any]]:
    import onnx
    from onnx import numpy_helper

    return {held.name: numpy_helper.to_array(held) for held in onnx.load(path).graph.initializer}


def _numbers(value: Any, name: str, found: dict[str, npt.NDArray[Any]]) -> None:
    """Collect the numbers of nested JSON, by name."""
    if isinstance(value, dict):
        for key, item in value.items():
            _numbers(item, f"{name}.{key}", found)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, item in enumerate(value):
            _numbers(item, f"{name}.{place}", found)
    elif isinstance(value, list | int | float) and not isinstance(value, bool):
        array = np.asarray(value)
        if array.dtype.kind in "fi":
            found[name] = array


def weight_difference(ours: Path, theirs: Path) -> float:
    """Largest difference of a weight of two model folders; infinite where shapes differ."""
    pairs = []
    for folder in (ours, theirs):
        weights = _network_weights(folder / NETWORK)
        _numbers(json.loads((folder / STACK).read_text(encoding="utf-8")), STACK, weights)
        judges = json.loads((folder / MODEL).read_text(encoding="utf-8"))["judges"]
        _numbers(judges, MODEL, weights)
        pairs.append(weights)
    first, second = pairs
    if {n: a.shape for n, a in first.items()} != {n: a.shape for n, a in second.items()}:
        return float("inf")
    return max(float(np.abs(first[n] - second[n]).max(initial=0)) for n in first)


def _unlike(first: dict[str, Any], second: dict[str, Any]) -> tuple[str, ...]:
    """Names under which the two hold different things, or only one holds any."""
    return tuple(sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n)))


def _origin(ours: Path, theirs: Path) -> tuple[str, ...]:
    first, second = (
        json.loads((folder / MODEL).read_text(encoding="utf-8"))["provenance"]
        for folder in (ours, theirs)
    )
    return _unlike(first, second)


def _different_files(ours: Path, theirs: Path) -> tuple[str, ...]:
    first, second = ({p.name: p.read_bytes() for p in f.iterdir()} for f in (ours, theirs))
    return _unlike(first, second)


def compare(
    ours: Path,
    theirs: Path,
    images: Iterable[Pixels],
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Compare two model folders.

    Parameters
    ----------
    ours, theirs : Path
    images : iterable of ndarray of uint8, shape (h, w)
        Working images that both judge.
    progress : callable, optional
        Called with 1 for each image.

    Raises
    ------
    BlurError
        A folder is missing or damaged.
    """
    detectors = BlurDetector(ours), BlurDetector(theirs)
    apart, other, count = 0.0, [], 0
    for image in images:
        first, second = (d.predict(image)[0] for d in detectors)
        assert first.probability is not None and second.probability is not None
        apart = max(apart, abs(first.probability - second.probability))
        if (first.blurred, first.kind) != (second.blurred, second.kind):
            other.append(count)
        count += 1
        if progress is not None:
            progress(1)
    return Comparison(
        _different_files(ours, theirs),
        _origin(ours, theirs),
        weight_difference(ours, theirs),
        count,
        apart,
        tuple(other),
    )


ROOT = Path(__file__).resolve().parents[3]


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
    paths = f"{copy / 'pipeline'}{os.pathsep}{copy}"
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0"}
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
    _run(copy, "-m", "blur_fusion.cli.main", "export", str(folder / "model"))
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
