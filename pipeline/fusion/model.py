"""What the stage `fuse` writes and a detector reads: model.json and the weights beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError
from pipeline.fusion.calibration import Calibration
from pipeline.fusion.ensemble import Ensemble
from pipeline.fusion.polar_net import PolarEnsemble
from pipeline.fusion.scaling import Standardiser

JUDGES = ("cnn", "features", "fused")
LOGIT_NAMES = ("cnn.blurred", "cnn.sharp", "cnn.defocus", "cnn.motion")
BLURRED = 0  # column of the CNN's logits
DEFOCUS, MOTION = 2, 3

Floats = npt.NDArray[np.float64]


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
    polar : PolarEnsemble, optional
        The same from polar spectra; the answer is the mean of both.
    """

    names: tuple[str, ...]
    standardiser: Standardiser
    features: Ensemble
    both: Ensemble
    kind: Ensemble | None = None
    polar: PolarEnsemble | None = None

    def motion(
        self,
        cnn: npt.NDArray[np.floating],
        measures: npt.NDArray[np.floating],
        spectra: npt.NDArray[np.floating] | None = None,
    ) -> Floats | None:
        """Logit (n,) of motion against defocus should an image be blurred; None if unknown.

        `spectra` (n, *SHAPE) are those of `pipeline.features.polar`; without them the networks
        that look at them stay unheard.
        """
        if self.kind is None:
            return None
        inputs = self.standardiser.apply(np.concatenate([cnn, measures], axis=1))
        logit = self.kind.logit(inputs, motion_logit(cnn))
        if self.polar is None or spectra is None:
            return logit
        return (logit + self.polar.logit(spectra)) / 2

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
        """Write model.json, features.npz, both.npz, kind.npz and polar.npz into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.stack.features.save(folder / "features.npz")
        self.stack.both.save(folder / "both.npz")
        if self.stack.kind is not None:
            self.stack.kind.save(folder / "kind.npz")
        if self.stack.polar is not None:
            self.stack.polar.save(folder / "polar.npz")
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
        path = path.parent / "polar.npz"
        polar = PolarEnsemble.load(path) if path.exists() else None
        stack = Stack(names, standardiser, features, both, kind, polar)
        return cls(stack, calibrations, thresholds)
