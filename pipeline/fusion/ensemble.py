"""Dense networks in plain numpy: prediction needs no Keras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError

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
