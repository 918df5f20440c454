"""Two model folders, side by side: bytes, weights, and verdicts on the same images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.serving.detector import BlurDetector
from pipeline.serving.folder import MODEL, NETWORK, STACK

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
        first, second = (d.judge(image, str(count), image.shape[::-1]) for d in detectors)
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
