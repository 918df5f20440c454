"""A trained preset: judges photos, is written to a folder and read from there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation.baselines import laplacian_512
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.presets.examples import Pixels, small, whole
from blur_fusion.presets.gallery import ABOUT
from blur_fusion.presets.networks import build, build_fused
from blur_fusion.presets.params import Preset, preset_from
from blur_fusion.presets.train import class_probabilities

WEIGHTS, FUSED = "model.weights.h5", "fused.weights.h5"
_CHUNK = 64  # pictures in memory at a time

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the logarithm of the training pictures' Laplacian variance."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, variances: Floats) -> Scale:
        """Fitted to variances, shape (n,)."""
        logs = np.log1p(variances)
        return cls(float(logs.mean()), float(logs.std()) or 1.0)

    def applied(self, variances: Floats) -> Floats:
        """Scaled values, same shape."""
        return np.asarray((np.log1p(variances) - self.mean) / self.deviation, dtype=np.float64)


@dataclass(frozen=True)
class Trained:
    """A preset with its weights.

    Attributes
    ----------
    preset : Preset
    model : keras.Model
    fused : keras.Model, optional
        Over the first one's answer and the scaled Laplacian variance.
    scale : Scale
    """

    preset: Preset
    model: keras.Model
    fused: keras.Model | None = None
    scale: Scale = dataclasses.field(default_factory=Scale)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.model.count_params()) + (
            int(self.fused.count_params()) if self.fused is not None else 0
        )

    def stacked(self, pixels: npt.NDArray[np.uint8], variances: Floats) -> Floats:
        """What the fused network takes: float, shape (n, classes + 1)."""
        judged = class_probabilities(self.model, self.preset.network, pixels)
        return np.concatenate([judged, self.scale.applied(variances)[:, None]], axis=1)

    def classes_of_pixels(self, pixels: npt.NDArray[np.uint8], variances: Floats) -> Floats:
        """Probability of each class, shape (n, classes), of small pictures at hand.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (n, side, side, 1 or 3)
        variances : ndarray of float, shape (n,)
            By `laplacian_512`; looked at by a fused network alone.
        """
        if self.fused is None:
            return class_probabilities(self.model, self.preset.network, pixels)
        return class_probabilities(self.fused, self.preset.network, self.stacked(pixels, variances))

    def classes(self, paths: Sequence[Path], workers: int = 0, what: str = "judge") -> Floats:
        """Probability of each class of photos, shape (n, classes); a few in memory at a time.

        Raises
        ------
        BlurError
            A photo cannot be read.
        """

        def read(path: Path) -> tuple[Pixels, float]:
            variance = laplacian_512(path) if self.fused is not None else 0.0
            return small(whole(path, self.preset.input), self.preset.input), variance

        found, pixels, variances = [], [], []
        for picture, variance in shown(ordered_map(read, paths, workers), len(paths), what):
            pixels.append(picture)
            variances.append(variance)
            if len(pixels) == _CHUNK:
                found.append(self.classes_of_pixels(np.stack(pixels), np.array(variances)))
                pixels, variances = [], []
        if pixels:
            found.append(self.classes_of_pixels(np.stack(pixels), np.array(variances)))
        return np.concatenate(found) if found else np.zeros((0, len(self.preset.layout.classes)))

    def blurred(self, classes: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """P(blurred) and the verdict, most probable class, from class probabilities: shape (n,)."""
        place = self.preset.layout.classes.index(self.preset.layout.blurred)
        return classes[:, place], classes.argmax(axis=1) == place

    def save(self, folder: Path) -> None:
        """Write weights and preset into `folder`, which exists; preset.json last."""
        self.model.save_weights(folder / WEIGHTS)
        if self.fused is not None:
            self.fused.save_weights(folder / FUSED)
        about = {
            "preset": dataclasses.asdict(self.preset),
            "laplacian": dataclasses.asdict(self.scale),
        }
        text = json.dumps(about, indent=1, sort_keys=True)
        (folder / ABOUT).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Trained:
        """Read what :meth:`save` wrote.

        Raises
        ------
        BlurError
            Something is missing or damaged.
        """
        path = folder / ABOUT
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            preset = preset_from(about["preset"], str(path))
            scale = Scale(**{name: float(value) for name, value in about["laplacian"].items()})
        except FileNotFoundError:
            raise BlurError(f"{path}: no such file; train it first: blur preset NAME") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BlurError(f"{path}: damaged ({error}); train the preset again") from None
        model, fused = build(preset)[0], None
        _load_weights(model, folder / WEIGHTS)
        if preset.network.fused_dense:
            fused = build_fused(preset)
            _load_weights(fused, folder / FUSED)
        return cls(preset, model, fused, scale)


def _load_weights(model: keras.Model, path: Path) -> None:
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise BlurError(f"{path}: no weights of this preset ({reason}); train it again") from None


def size_of(folder: Path) -> int:
    """Bytes of the weights in `folder`."""
    files: Iterable[Path] = (folder / WEIGHTS, folder / FUSED)
    size = sum(path.stat().st_size for path in files if path.is_file())
    require(size > 0, f"{folder}: holds no weights; train it first: blur preset NAME")
    return size
