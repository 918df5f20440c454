"""`make verify-release`: train the shipped model again from the tracked files, and compare."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.data.store import Store
from blur_fusion.errors import require, run
from blur_fusion.files import os_errors
from blur_fusion.model.classifier import load
from blur_fusion.model.folder import (
    FILES,
    MODEL,
    NETWORK,
    PROVENANCE,
    SHIPPED,
    read_json,
    read_provenance,
    unpacked,
)
from blur_fusion.model.provenance import RELEASE, ROOT, STAGES, read_stages
from blur_fusion.model.release import ARTIFACTS, PARAMS
from blur_fusion.parallel import shown

CLOSE = 1e-3  # difference of two probabilities that count as equal

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """How two models differ, on images that both judged."""

    other_bytes: tuple[str, ...]  # files
    origin: tuple[str, ...]  # parts of the provenance
    weights: float  # largest difference of a number; infinite where shapes differ
    images: int
    probability: float  # largest difference of a calibrated one
    verdicts: tuple[int, ...]  # positions of the images whose verdict or kind differs

    @property
    def same(self) -> bool:
        """Whether all verdicts agree, and probabilities within `CLOSE`."""
        return not self.verdicts and self.probability <= CLOSE

    def lines(self) -> list[str]:
        """What to print."""
        lines = [f"other bytes: {', '.join(self.other_bytes) or 'none, byte-equal'}"]
        lines += [f"provenance differs in: {', '.join(self.origin)}"] if self.origin else []
        lines.append(f"largest difference of a number: {self.weights:.3g}")
        judged = f"{self.images} validation images: {len(self.verdicts)} other verdicts"
        within = f"probabilities within {self.probability:.3g} (allowed: {CLOSE:g})"
        return [*lines, f"{judged}, {within}"]


def _flat(value: Any, name: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The numbers of nested JSON by place."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(item, f"{name} {key}")
    elif isinstance(value, int | float):
        yield name, np.asarray(value)


def numbers(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Every number of a model by file and name: of the ONNX, the arrays, and model.json."""
    import onnx
    from onnx import numpy_helper

    held = onnx.load(folder / NETWORK).graph.initializer
    found = {f"{NETWORK} {tensor.name}": numpy_helper.to_array(tensor) for tensor in held}
    for file in (name for name in FILES if name != NETWORK):
        arrays = unpacked((folder / file).read_bytes())
        found |= {f"{file} {name}": array for name, array in arrays.items()}
    return found | dict(_flat(read_json(folder)[0], MODEL))


def largest_difference(ours: Path, theirs: Path) -> float:
    """Largest difference of any number of two model folders; infinite where shapes differ."""
    first, second = numbers(ours), numbers(theirs)
    if {n: a.shape for n, a in first.items()} != {n: a.shape for n, a in second.items()}:
        return float("inf")
    return max(float(np.abs(np.subtract(first[n], second[n])).max(initial=0)) for n in first)


def _unlike(first: dict[str, Any], second: dict[str, Any]) -> tuple[str, ...]:
    """Names whose values differ, or that only one of the two has."""
    return tuple(sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n)))


def _contents(folder: Path) -> dict[str, bytes]:
    paths = (folder / name for name in (*FILES, MODEL, PROVENANCE))
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def compare(ours: Path, theirs: Path, images: Iterable[Pixels]) -> Comparison:
    """Compare two model folders, also by what they say of working images (h, w) of uint8."""
    classifiers = load(ours), load(theirs)
    pairs = [[one.predict(image)[0] for one in classifiers] for image in images]
    said = np.array([[one.probability for one in pair] for pair in pairs], np.float64)
    apart = [(a.blurred, a.kind, a.verdict) != (b.blurred, b.kind, b.verdict) for a, b in pairs]
    return Comparison(
        other_bytes=_unlike(_contents(ours), _contents(theirs)),
        origin=_unlike(read_provenance(ours), read_provenance(theirs)),
        weights=largest_difference(ours, theirs),
        images=len(pairs),
        probability=float(np.abs(np.diff(said)).max(initial=0)),
        verdicts=tuple(np.flatnonzero(apart).tolist()),
    )


def copy_tracked(root: Path, target: Path) -> int:
    """Copy the files that Git tracks below `root`, in their current state; returns their number."""
    with os_errors(root, "not a Git checkout"):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True).stdout
    names = [name for name in listed.decode().split("\0") if name and (root / name).is_file()]
    require(bool(names), f"{root}: not a Git checkout")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)
    return len(names)


def _run(copy: Path, *words: str) -> None:
    """`python words` in `copy`, on its code, with output shown."""
    paths = f"{copy / 'pipeline'}{os.pathsep}{copy}"
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, *words], cwd=copy, env=environment, check=False)
    require(done.returncode == 0, f"{' '.join(words)}: ended with status {done.returncode}")


def _validation(store: Store) -> Iterator[Pixels]:
    rows = np.flatnonzero(store.splits == "validation").tolist()
    return shown(map(store.image, rows), len(rows), "compare")


def verify_release(root: Path, shipped: Path, folder: Path) -> Comparison:
    """Train in a copy of `root` below `folder` and compare the model with `shipped`."""
    load(shipped)  # fail before an hour of training
    copy = folder / "tree"
    count = copy_tracked(root, copy)
    print(f"{count} tracked files copied; training again")
    written = read_stages(copy, RELEASE)
    for stage in STAGES:
        _run(copy, *written[stage]["cmd"].split()[1:])
    places = "--model-dir", ARTIFACTS, "--params", PARAMS
    _run(copy, "-m", "blur_fusion.cli.main", "export", str(folder / "model"), *places)
    return compare(shipped, folder / "model", _validation(Store.open(copy / ARTIFACTS / "load")))


def main() -> None:
    """Verify the packaged model; exit 1 where the retrained one answers differently."""
    with tempfile.TemporaryDirectory(prefix="blur-verify-") as folder:
        result = verify_release(ROOT, SHIPPED, Path(folder))
    print(*result.lines(), sep="\n")
    require(result.same, "the retrained model answers differently from the packaged one")
    print("verified: the packaged model is what this checkout trains")


if __name__ == "__main__":
    run(main)
