"""Networks on polar spectra in plain numpy: prediction needs no Keras.

Their first layers look at neighbouring angles, around the circle, with the same weights everywhere;
mean and maximum over all angles follow. So a turned picture gets the same answer, by construction:
Cohen and Welling, "Group equivariant convolutional networks", ICML 2016, for the group of turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.fusion.ensemble import (
    Layers,
    Weights,
    from_weights,
    require_alike,
    side_by_side,
    tower,
)

REACH = 2  # neighbours on either side that a circular layer sees
CIRCULAR, DENSE = "circular", "dense"

Floats = npt.NDArray[np.float64]


def neighbours(values: Floats) -> Floats:
    """Each angle's values beside its neighbours': (..., a, c) to (..., a, c (1 + 2 REACH))."""
    angles, steps = np.arange(values.shape[-2])[:, None], np.arange(-REACH, REACH + 1)
    turned = values[..., (angles + steps) % values.shape[-2], :]  # (..., a, 1 + 2 REACH, c)
    return turned.reshape(*values.shape[:-1], turned.shape[-2] * turned.shape[-1])


@dataclass(frozen=True)
class PolarMember:
    """Circular layers, pooling, dense layers; ReLU after all but the last.

    Attributes
    ----------
    circular, dense : tuple of (kernel, bias)
        Kernels of shape (inputs, units); a circular layer's inputs are those of `neighbours`.
    """

    circular: Layers
    dense: Layers

    def logit(self, spectra: npt.NDArray[np.floating]) -> Floats:
        """Logit, shape (n,), of polar spectra (n, a, c)."""
        return PolarEnsemble((self,)).logit(spectra)


@dataclass(frozen=True)
class PolarEnsemble:
    """Members of the same layers, whose logits are averaged.

    Raises
    ------
    ValueError
        Their layers have different shapes.
    """

    members: tuple[PolarMember, ...]

    def __post_init__(self) -> None:
        require_alike([(*member.circular, *member.dense) for member in self.members])

    @cached_property
    def _together(self) -> tuple[Layers, Layers]:
        circular = side_by_side([member.circular for member in self.members])
        # One more axis, as their values are those of every angle.
        circles = tuple((kernel[:, None], bias[:, None]) for kernel, bias in circular)
        return circles, side_by_side([member.dense for member in self.members])

    def logit(self, spectra: npt.NDArray[np.floating]) -> Floats:
        """Mean logit, shape (n,): motion is positive, defocus negative."""
        values = np.asarray(spectra, np.float64)[None]
        circular, dense = self._together
        for kernel, bias in circular:
            values = np.maximum(neighbours(values) @ kernel + bias, 0)
        pooled = np.concatenate([values.mean(axis=-2), values.max(axis=-2)], axis=-1)
        return np.asarray(tower(dense, pooled).mean(axis=0))

    def save(self, path: Path) -> None:
        """Write all weights to `path` (.npz)."""
        arrays: dict[str, Weights] = {}
        for number, member in enumerate(self.members):
            for sort, layers in ((CIRCULAR, member.circular), (DENSE, member.dense)):
                for depth, (kernel, bias) in enumerate(layers):
                    arrays[f"member{number}.{sort}{depth}.kernel"] = kernel
                    arrays[f"member{number}.{sort}{depth}.bias"] = bias
        np.savez(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> PolarEnsemble:
        """Read what :meth:`save` wrote.

        Raises
        ------
        BlurError
            The file is missing or damaged.
        """

        def built(weights: dict[str, Weights]) -> PolarEnsemble:
            count = sum(name.endswith(f".{DENSE}0.kernel") for name in weights)
            members = (
                PolarMember(_layers(weights, n, CIRCULAR), _layers(weights, n, DENSE))
                for n in range(count)
            )
            return cls(tuple(members))

        return from_weights(path, built)


def _layers(weights: dict[str, Weights], number: int, sort: str) -> Layers:
    stem = f"member{number}.{sort}"
    depth = sum(name.startswith(stem) and name.endswith(".kernel") for name in weights)
    return tuple(
        (weights[f"{stem}{layer}.kernel"], weights[f"{stem}{layer}.bias"]) for layer in range(depth)
    )
