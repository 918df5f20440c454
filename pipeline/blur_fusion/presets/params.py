"""presets/NAME.yaml as frozen dataclasses."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Literal

from blur_fusion.data.layouts import THREE, layout_names
from blur_fusion.errors import require
from blur_fusion.images.photo import InputSpec
from blur_fusion.params import Section, not_negative, positive, read_params, ruled

FOLDER = Path("presets")
LITE0 = "EfficientNetLite0"


@dataclass(frozen=True, kw_only=True)
class NetworkParams(Section, section="network"):
    """A backbone or convolution blocks, then dense layers.

    `fused_dense` are the hidden layers of a second network over the first one's answer and the
    Laplacian variance; empty if there is none.
    """

    backbone: Literal["", "EfficientNetLite0", "MobileNetV2", "EfficientNetB0"]
    weights: str
    filters: tuple[int, ...] = positive()
    convolutions: int = positive()
    kernel: int = positive()
    head: Literal["flatten", "average"]
    dense: tuple[int, ...] = positive()
    dropout: float = ruled(MISSING, "at least 0 and below 1")
    output: Literal["sigmoid", "softmax"]
    fused_dense: tuple[int, ...] = positive()

    def __post_init__(self) -> None:
        super().__post_init__()
        backbone = bool(self.backbone)
        line = "params: network needs either a backbone or filters, not both"
        require(backbone != bool(self.filters), line)
        line = "params: network.weights goes with a backbone: 'imagenet', 'random' or a file"
        require(bool(self.weights) == backbone, line)


@dataclass(frozen=True, kw_only=True)
class InputParams(Section, section="input"):
    """The square that the network sees: its side, RGB or grey, and how pictures are resized."""

    side: int = ruled(MISSING, "at least 16 pixels")
    colour: bool
    resize: Literal["nearest", "bilinear", "area"]

    @property
    def spec(self) -> InputSpec:
        """The same for a classifier."""
        return InputSpec(self.side, square=True, colour=self.colour, resampling=self.resize)


@dataclass(frozen=True, kw_only=True)
class RecipeParams(Section, section="recipe"):
    """How the network is fitted, on at most `images` pictures (0: all)."""

    images: int = not_negative()
    epochs: int = positive()
    batch: int = positive()
    learning_rate: float = positive()
    augment: bool
    checkpoints: bool
    fine_tune_epochs: int = not_negative()
    fine_tune_rate: float = not_negative()
    fused_epochs: int = not_negative()
    sweep: bool


@dataclass(frozen=True)
class LayoutParams:
    """How the data set is laid out, and what its labels mean.

    `classes` names labels (and outputs) 0, 1, ...; `blurred` is one of them. With `pairs` the
    network learns sharp pictures against their own Gaussian-blurred copies, blurred before
    ("source") or after ("input") resizing, by a standard deviation drawn from the range `sigma`.
    """

    reader: str
    classes: tuple[str, ...]
    blurred: str
    pairs: Literal["none", "source", "input"]
    sigma: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, known in (("reader", layout_names()), ("blurred", self.classes)):
            value, words = getattr(self, name), ", ".join(repr(word) for word in known)
            require(value in known, f"params: layout.{name} is '{value}', must be one of {words}")
        if self.reader == "three-class":
            good, line = sorted(self.classes) == sorted(THREE), f"{', '.join(THREE)}, in any order"
        else:
            good, line = len(self.classes) == len(set(self.classes)) == 2, "two different names"
        require(good, f"params: layout.classes must be {line}")
        ranged = len(self.sigma) == 2 and 0 < self.sigma[0] <= self.sigma[1] < float("inf")
        line = f"params: layout.sigma is {list(self.sigma)}, must be [least, most] above 0"
        require(ranged if self.pairs != "none" else not self.sigma, line)


@dataclass(frozen=True)
class Preset:
    """A published system that people start from."""

    name: str
    about: str
    network: NetworkParams
    input: InputParams
    recipe: RecipeParams
    layout: LayoutParams

    def __post_init__(self) -> None:
        three, fused = len(self.layout.classes) > 2, bool(self.network.fused_dense)
        line = "params: network.output must be 'softmax' for three classes"
        require(not three or self.network.output == "softmax", line)
        line = "params: network.fused_dense goes with two classes and layout.pairs 'none'"
        require(not fused or (self.layout.pairs == "none" and not three), line)
        line = "params: network.fused_dense and recipe.fused_epochs go together"
        require(fused == bool(self.recipe.fused_epochs), line)


def known_presets(folder: Path = FOLDER) -> list[str]:
    """Names of the presets in `folder`, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml") if path.name != "dvc.yaml")


def load_preset(name: str, folder: Path = FOLDER) -> Preset:
    """Read `folder`/`name`.yaml.

    Raises
    ------
    BlurError
        There is no such preset, it is not YAML, a name is unknown or missing, a value wrong.
    """
    known = known_presets(folder)
    require(bool(known), f"{folder}: holds no presets; run from the project's folder")
    require(name in known, f"preset '{name}' is unknown; known: {', '.join(known)}")
    path = folder / f"{name}.yaml"
    preset = read_params(path, Preset, str(path))
    require(preset.name == name, f"{path}: name is '{preset.name}', must match the file's name")
    return preset
