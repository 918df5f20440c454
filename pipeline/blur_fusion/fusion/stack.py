"""The stack in plain NumPy: standardised inputs, dense networks, calibration, thresholds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.fusion.calibration import Calibration

Weights = npt.NDArray[np.float32]

Layers = tuple[tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]], ...]
Built = TypeVar("Built")


def tower(layers: Layers, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Logit (n,) of dense `layers`, (kernel, bias) each, on `values` (n, d); ReLU between them.

    Layers of several networks at once, (m, inputs, units) and (m, 1, units), give (m, n).
    """
    for kernel, bias in layers[:-1]:
        values = np.maximum(values @ kernel + bias, 0)
    kernel, bias = layers[-1]
    return np.asarray((values @ kernel + bias)[..., 0])


def doubles(layers: Layers) -> Layers:
    """`layers` in double precision."""
    return tuple((kernel.astype(np.float64), bias.astype(np.float64)) for kernel, bias in layers)


def require_alike(members: Sequence[Layers]) -> None:
    """Refuse members whose layers have different shapes, with a ValueError."""
    shapes = {tuple(kernel.shape for kernel, _ in layers) for layers in members}
    if len(shapes) != 1:
        raise ValueError(f"{len(members)} members of {len(shapes)} shapes")


def side_by_side(members: Sequence[Layers]) -> Layers:
    """Each layer of all members as one, in double precision: see :func:`tower`.

    numpy's calls take longer than its sums here.
    """
    return tuple(
        (np.stack([kernel for kernel, _ in layer]), np.stack([bias[None] for _, bias in layer]))
        for layer in zip(*map(doubles, members), strict=True)
    )


def from_weights(path: Path, build: Callable[[dict[str, Weights]], Built]) -> Built:
    """What `build` makes of the arrays of an .npz file; whatever is wrong is one line.

    Raises
    ------
    BlurError
        The file is missing or damaged, or lacks an array.
    """
    try:
        with np.load(path) as arrays:
            weights = {name: arrays[name] for name in arrays.files}
        return build(weights)
    except (OSError, ValueError, KeyError) as error:
        raise BlurError(f"{path}: no weights ({error}); run the stage fuse") from None


@dataclass(frozen=True)
class Member:
    """One network: `gain * base` plus a tower of dense layers with ReLU between them.

    `base` is the CNN's logit, so that the tower only has to learn a correction to it; a network
    on focus measures alone gets a base of zero.
    """

    layers: Layers
    gain: float

    def logit(
        self, inputs: npt.NDArray[np.floating], base: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.float64]:
        """Logit, shape (n,), of `inputs` (n, d) and `base` (n,)."""
        return Ensemble((self,)).logit(np.asarray(inputs), base)


@dataclass(frozen=True)
class Ensemble:
    """Members of the same layers, whose logits are averaged.

    Raises
    ------
    ValueError
        Their layers have different shapes.
    """

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        require_alike([member.layers for member in self.members])

    @cached_property
    def _together(self) -> Layers:
        return side_by_side([member.layers for member in self.members])

    @cached_property
    def _gains(self) -> npt.NDArray[np.float64]:
        return np.array([[member.gain] for member in self.members])

    def logit(
        self, inputs: npt.NDArray[np.floating], base: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.float64]:
        """Mean logit, shape (n,)."""
        logits = tower(self._together, inputs.astype(np.float64))
        logits = logits + self._gains * np.asarray(base, np.float64)
        return np.asarray(logits.mean(axis=0))

    def save(self, path: Path) -> None:
        """Write all weights to `path` (.npz)."""
        arrays: dict[str, Weights] = {}
        for number, member in enumerate(self.members):
            arrays[f"member{number}.gain"] = np.asarray([member.gain], np.float32)
            for depth, (kernel, bias) in enumerate(member.layers):
                arrays[f"member{number}.kernel{depth}"] = kernel
                arrays[f"member{number}.bias{depth}"] = bias
        np.savez(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Ensemble:
        """Read what :meth:`save` wrote.

        Raises
        ------
        BlurError
            The file is missing or damaged.
        """

        def built(weights: dict[str, Weights]) -> Ensemble:
            count = sum(name.endswith(".gain") for name in weights)
            return cls(tuple(_member(weights, number) for number in range(count)))

        return from_weights(path, built)


def _member(weights: dict[str, Weights], number: int) -> Member:
    depth = sum(name.startswith(f"member{number}.kernel") for name in weights)
    layers = tuple(
        (weights[f"member{number}.kernel{layer}"], weights[f"member{number}.bias{layer}"])
        for layer in range(depth)
    )
    return Member(layers, float(weights[f"member{number}.gain"][0]))


_NORMAL = 1.349  # interquartile range of the standard normal distribution

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standardiser:
    """`(values - centre) / scale`, held within `clip` to both sides.

    Clipping bounds what a photo unlike any in training can do to the verdict.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    clip: float

    @classmethod
    def fit(cls, values: npt.NDArray[np.floating], clip: float) -> Standardiser:
        """Fit on training rows, shape (n, d); a constant column gets scale 1."""
        table = np.asarray(values, dtype=np.float64)
        require(bool(np.isfinite(table).all()), "fuse: an input is not finite; run features again")
        low, centre, high = np.percentile(table, [25, 50, 75], axis=0)
        scale = (high - low) / _NORMAL
        scale = np.where(scale > 1e-6, scale, table.std(axis=0))
        scale = np.where(scale > 1e-6, scale, 1.0)
        return cls(tuple(centre.tolist()), tuple(scale.tolist()), clip)

    @cached_property
    def _arrays(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return np.array(self.centre), np.array(self.scale)

    def apply(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Standardise, shape (n, d)."""
        width = np.asarray(values).shape[1]
        require(width == len(self.centre), f"fuse: {width} inputs, trained on {len(self.centre)}")
        centre, scale = self._arrays
        standard = (np.asarray(values, np.float64) - centre) / scale
        return np.clip(standard, -self.clip, self.clip).astype(np.float32)


JUDGES = ("cnn", "features", "fused")
LOGIT_NAMES = ("cnn.blurred", "cnn.sharp", "cnn.defocus", "cnn.motion")
BLURRED = 0  # column of the CNN's logits
DEFOCUS, MOTION = 2, 3


def motion_logit(cnn: npt.NDArray[np.floating]) -> Floats:
    """The CNN's own logit (n,) of motion against defocus, from its logits (n, 4)."""
    logits = np.asarray(cnn, np.float64)
    return np.asarray(logits[:, MOTION] - logits[:, DEFOCUS])


@dataclass(frozen=True)
class Stack:
    """Standardisation and dense networks: from CNN logits and focus measures to raw logits.

    Attributes
    ----------
    names : tuple of str
        Names of the focus measures, in order.
    standardiser : Standardiser
        For CNN logits (4 columns) and focus measures together.
    features, both : Ensemble
        On focus measures alone; on them and CNN logits. Fused is the mean of the two.
    kind : Ensemble, optional
        Motion (positive) against defocus; None where the training images did not tell kinds.
    """

    names: tuple[str, ...]
    standardiser: Standardiser
    features: Ensemble
    both: Ensemble
    kind: Ensemble | None = None

    def motion(
        self, cnn: npt.NDArray[np.floating], measures: npt.NDArray[np.floating]
    ) -> Floats | None:
        """Logit (n,) of motion against defocus should an image be blurred; None if unknown."""
        if self.kind is None:
            return None
        inputs = self.standardiser.apply(np.concatenate([cnn, measures], axis=1))
        return self.kind.logit(inputs, motion_logit(cnn))

    def logits(
        self, cnn: npt.NDArray[np.floating], measures: npt.NDArray[np.floating]
    ) -> dict[str, Floats]:
        """Uncalibrated logit (n,) of each judge, from `cnn` (n, 4) and `measures` (n, F)."""
        base = np.asarray(cnn, np.float64)[:, BLURRED]
        inputs = self.standardiser.apply(np.concatenate([cnn, measures], axis=1))
        alone = inputs[:, len(LOGIT_NAMES) :]
        features = self.features.logit(alone, np.zeros_like(base))
        both = self.both.logit(inputs, base)
        return {"cnn": base, "features": features, "fused": (features + both) / 2}


@dataclass(frozen=True)
class Model:
    """A stack with the calibration and threshold (a probability) of each judge."""

    stack: Stack
    calibrations: dict[str, Calibration]
    thresholds: dict[str, float]

    def save(self, folder: Path) -> None:
        """Write model.json, features.npz, both.npz and kind.npz into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.stack.features.save(folder / "features.npz")
        self.stack.both.save(folder / "both.npz")
        if self.stack.kind is not None:
            self.stack.kind.save(folder / "kind.npz")
        scaling = self.stack.standardiser
        content = {
            "features": list(self.stack.names),
            "standardise": {
                "names": [*LOGIT_NAMES, *self.stack.names],
                "centre": list(scaling.centre),
                "scale": list(scaling.scale),
                "clip": scaling.clip,
            },
            "judges": {
                judge: {
                    "temperature": self.calibrations[judge].temperature,
                    "bias": self.calibrations[judge].bias,
                    "threshold": self.thresholds[judge],
                }
                for judge in JUDGES
            },
        }
        # Full precision: a rounded threshold may fall on the wrong side of a score.
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        (folder / "model.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read what :meth:`save` wrote.

        Raises
        ------
        BlurError
            A file is missing or damaged.
        """
        path = Path(folder) / "model.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            scaling = content["standardise"]
            judges = content["judges"]
            standardiser = Standardiser(
                tuple(scaling["centre"]), tuple(scaling["scale"]), float(scaling["clip"])
            )
            names = tuple(content["features"])
            calibrations = {
                judge: Calibration(judges[judge]["temperature"], judges[judge]["bias"])
                for judge in JUDGES
            }
            thresholds = {judge: float(judges[judge]["threshold"]) for judge in JUDGES}
        except FileNotFoundError:
            raise BlurError(f"{path}: no such file; run 'make repro' first") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BlurError(f"{path}: damaged ({error!r}); run the stage fuse") from None
        features = Ensemble.load(path.parent / "features.npz")
        both = Ensemble.load(path.parent / "both.npz")
        path = path.parent / "kind.npz"
        kind = Ensemble.load(path) if path.exists() else None
        stack = Stack(names, standardiser, features, both, kind)
        return cls(stack, calibrations, thresholds)
