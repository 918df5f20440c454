"""The stack in NumPy: standardised inputs, dense networks evaluated side by side, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require

JUDGES = ("cnn", "features", "fused")
LOGIT_NAMES = ("cnn.blurred", "cnn.sharp", "cnn.defocus", "cnn.motion")
BLURRED, DEFOCUS, MOTION = 0, 2, 3  # columns of the CNN's logits
ENSEMBLES = ("features", "both", "kind")
_NORMAL = 1.349  # interquartile range of the standard normal distribution

Floats = npt.NDArray[np.float64]


def sigmoid(logit: npt.NDArray[np.floating]) -> Floats:
    """Logistic function without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -500, 500))), dtype=np.float64)


@dataclass(frozen=True)
class Calibration:
    """`probability = sigmoid(logit / temperature + bias)`, which keeps the order."""

    temperature: float
    bias: float

    def __post_init__(self) -> None:
        sound = 0 < self.temperature < float("inf") and np.isfinite(self.bias)
        require(bool(sound), f"calibration: temperature {self.temperature}, bias {self.bias}")

    def scaled(self, logit: npt.NDArray[np.floating]) -> Floats:
        """Calibrated logit, same shape."""
        return np.asarray(np.asarray(logit, np.float64) / self.temperature + self.bias)

    def probability(self, logit: npt.NDArray[np.floating]) -> Floats:
        """Calibrated probability of blurred, same shape, float64."""
        return sigmoid(self.scaled(logit))


def motion_logit(cnn: npt.NDArray[np.floating]) -> Floats:
    """The CNN's own logit (...) of motion against defocus, from its logits (..., 4)."""
    logits = np.asarray(cnn, np.float64)
    return np.asarray(logits[..., MOTION] - logits[..., DEFOCUS])


@dataclass(frozen=True, eq=False)
class Networks:
    """Dense ReLU networks of one shape, each a correction to base logits; evaluated side by side.

    ValueError if shapes do not fit or a number is not finite.
    """

    kernels: tuple[Floats, ...]  # by layer, (m, inputs, units)
    biases: tuple[Floats, ...]  # by layer, (m, 1, units)
    gains: Floats  # (m, b): weight of each base logit, such as the CNN's

    def __post_init__(self) -> None:
        members, units = len(self.gains), self.kernels[0].shape[1]
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            if kernel.shape != (members, units, bias.shape[-1]) or bias.shape[:2] != (members, 1):
                raise ValueError(f"kernel {kernel.shape}, bias {bias.shape} on {units} inputs")
            units = bias.shape[-1]
        if units != 1 or self.gains.ndim != 2:
            raise ValueError(f"{units} logits, gains {self.gains.shape}")
        if not all(np.isfinite(a).all() for a in (*self.kernels, *self.biases, self.gains)):
            raise ValueError("a weight is not finite")

    def logits(self, inputs: npt.NDArray[np.floating], bases: npt.NDArray[np.floating]) -> Floats:
        """Logit of each network, shape (m, n), for `inputs` (n, d) and `bases` (n, b)."""
        values: Floats = inputs.astype(np.float64)
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, 0)
        tower = (values @ self.kernels[-1] + self.biases[-1])[..., 0]
        return np.asarray(tower + self.gains @ np.asarray(bases, np.float64).T)


@dataclass(frozen=True, eq=False)
class Standardiser:
    """`(values - centre) / scale` of (d,) values, clipped to +-`clip`.

    Clipping bounds the effect of a photo unlike any in training.
    """

    centre: Floats
    scale: Floats
    clip: float

    def __post_init__(self) -> None:
        if self.scale.shape != self.centre.shape or self.centre.ndim != 1:
            raise ValueError(f"centre {self.centre.shape}, scale {self.scale.shape}")
        finite = np.isfinite(self.centre).all() and np.isfinite(self.scale).all()
        if not (finite and (self.scale > 0).all() and 0 < self.clip < float("inf")):
            raise ValueError(f"centre, scale or clip {self.clip} is impossible")

    @classmethod
    def fit(cls, values: npt.NDArray[np.floating], clip: float) -> Standardiser:
        """Fit on training rows, shape (n, d); a constant column gets scale 1."""
        table = np.asarray(values, dtype=np.float64)
        require(bool(np.isfinite(table).all()), "fuse: an input is not finite; run features again")
        low, centre, high = np.percentile(table, [25, 50, 75], axis=0)
        scale = (high - low) / _NORMAL
        scale = np.where(scale > 1e-6, scale, table.std(axis=0))
        return cls(centre, np.where(scale > 1e-6, scale, 1.0), clip)

    def apply(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Standardise, shape (n, d)."""
        width = np.asarray(values).shape[1]
        require(width == len(self.centre), f"fuse: {width} inputs, trained on {len(self.centre)}")
        standard = (np.asarray(values, np.float64) - self.centre) / self.scale
        return np.clip(standard, -self.clip, self.clip).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Stack:
    """From CNN logits and focus measures to uncalibrated logits; ValueError if parts do not fit.

    Attributes
    ----------
    names : tuple of str
        Of the focus measures, in order.
    standardiser : Standardiser
        For the CNN's 4 logits and the focus measures together.
    networks : Networks
        The ensembles in turn, on all columns: on focus measures alone (weights of CNN logits are
        0); on everything, added to those and including the CNN's share; for the kind of blur.
        Bases: the CNN's logit of blurred, and that of motion against defocus.
    members : tuple of int
        Networks in each of `ENSEMBLES`; 0 for the kind where the training images name none.
    """

    names: tuple[str, ...]
    standardiser: Standardiser
    networks: Networks
    members: tuple[int, ...]

    def __post_init__(self) -> None:
        count, width = len(self.networks.gains), len(LOGIT_NAMES) + len(self.names)
        counted = len(self.members) == len(ENSEMBLES) and min(self.members[:2]) > 0
        fits = counted and self.members[2] >= 0 and sum(self.members) == count
        if not fits or self.networks.gains.shape[1] != 2:
            raise ValueError(f"members {self.members}, gains {self.networks.gains.shape}")
        taken = self.networks.kernels[0].shape[1]
        if {width} != {taken, len(self.standardiser.centre)}:
            raise ValueError(f"{width} inputs are named, {taken} taken")

    @property
    def tells_kinds(self) -> bool:
        """Whether there are networks for the kind of blur."""
        return self.members[2] > 0

    @classmethod
    def join(
        cls, names: tuple[str, ...], standardiser: Standardiser, ensembles: Mapping[str, Networks]
    ) -> Stack:
        """Lay ensembles, each trained with a single base, side by side."""
        parts = [ensembles[name] for name in ENSEMBLES if name in ensembles]
        first = [part.kernels[0] for part in parts]
        unheard = ((0, 0), (len(LOGIT_NAMES), 0), (0, 0))
        first[0] = np.pad(first[0], unheard)
        gains = np.zeros((sum(len(part.gains) for part in parts), 2))
        members = tuple(len(ensembles[n].gains) if n in ensembles else 0 for n in ENSEMBLES)
        start, end = members[0], members[0] + members[1]
        gains[start:end, 0] = ensembles["both"].gains[:, 0]
        if "kind" in ensembles:
            gains[end:, 1] = ensembles["kind"].gains[:, 0]
        later = zip(*(part.kernels[1:] for part in parts), strict=True)
        kernels = np.concatenate(first), *(np.concatenate(layer) for layer in later)
        biases = zip(*(part.biases for part in parts), strict=True)
        joined = Networks(kernels, tuple(np.concatenate(layer) for layer in biases), gains)
        return cls(names, standardiser, joined, members)

    def logits(
        self, cnn: npt.NDArray[np.floating], measures: npt.NDArray[np.floating]
    ) -> dict[str, Floats]:
        """Uncalibrated logit (n,) of each judge, from `cnn` (n, 4) and `measures` (n, F).

        Under "motion", where kinds are told, the logit of motion against defocus.
        """
        inputs = self.standardiser.apply(np.concatenate([cnn, measures], axis=1))
        blurred = np.asarray(cnn, np.float64)[:, BLURRED]
        each = self.networks.logits(inputs, np.stack([blurred, motion_logit(cnn)], axis=1))
        parts = zip(ENSEMBLES, np.split(each, np.cumsum(self.members)[:-1]), strict=True)
        means = {name: part.mean(axis=0) for name, part in parts if len(part)}
        found = {"cnn": blurred, "features": means["features"]}
        found["fused"] = (means["features"] + means["both"]) / 2
        return found | ({"motion": means["kind"]} if "kind" in means else {})

    def with_head(self, weights: Floats) -> Stack:
        """The same with `weights @ inputs` (standardised) added to the fused logit.

        One more network "both" adds it: a linear function is the difference of two ReLUs.
        """
        first, count = self.members[0], self.members[1]
        end, share = first + count, (count + 1) / count  # a mean of one more
        kernels, biases, depth = [], [], len(self.networks.kernels)
        for layer in range(depth):
            kernel, bias = self.networks.kernels[layer].copy(), self.networks.biases[layer].copy()
            new = np.zeros(kernel.shape[1:])
            if layer == 0:
                new[:, :2] = np.stack([weights, -weights], axis=1)
            elif layer < depth - 1:
                new[0, 0] = new[1, 1] = 1.0
            else:
                new[:2, 0] = 2.0 * (count + 1), -2.0 * (count + 1)
                kernel[first:end] *= share
                bias[first:end] *= share
            kernels.append(np.insert(kernel, end, new, axis=0))
            biases.append(np.insert(bias, end, 0.0, axis=0))
        gains = self.networks.gains.copy()
        gains[first:end] *= share
        gains = np.insert(gains, end, 0.0, axis=0)
        networks = Networks(tuple(kernels), tuple(biases), gains)
        members = (first, count + 1, self.members[2])
        joined = Stack(self.names, self.standardiser, networks, members)
        return Stack.from_arrays(self.names, joined.arrays())  # rounded to what is kept

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All numbers by name, for :meth:`from_arrays`."""
        scaling, networks = self.standardiser, self.networks
        found: dict[str, npt.NDArray[Any]] = {
            "centre": scaling.centre,
            "scale": scaling.scale,
            "clip": np.array(scaling.clip),
            "members": np.array(self.members),
            "gains": networks.gains.astype(np.float32),
        }
        for name, layers in (("kernel", networks.kernels), ("bias", networks.biases)):
            found |= {f"{name}{depth}": a.astype(np.float32) for depth, a in enumerate(layers)}
        return found

    @classmethod
    def from_arrays(cls, names: tuple[str, ...], arrays: Mapping[str, npt.NDArray[Any]]) -> Stack:
        """Undo :meth:`arrays`; KeyError, TypeError or ValueError if they are not a stack."""
        depth = sum(name.startswith("kernel") for name in arrays)
        kernels, biases = (
            tuple(arrays[f"{name}{layer}"].astype(np.float64) for layer in range(depth))
            for name in ("kernel", "bias")
        )
        networks = Networks(kernels, biases, arrays["gains"].astype(np.float64))
        scaling = Standardiser(arrays["centre"], arrays["scale"], float(arrays["clip"]))
        return cls(names, scaling, networks, tuple(arrays["members"].tolist()))
