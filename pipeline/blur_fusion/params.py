"""params.yaml as frozen dataclasses that refuse unknown names and impossible values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from blur_fusion.errors import BlurError, require

INFINITY = float("inf")
File = TypeVar("File")
# What a number must be, in words, and the check; NaN fails all.
RULES: dict[str, Callable[[float], bool]] = {
    "above 0 and finite": lambda value: 0 < value < INFINITY,
    "at least 0 and finite": lambda value: 0 <= value < INFINITY,
    "between 0 and 1": lambda value: 0 < value < 1,
    "from 0 to 1": lambda value: 0 <= value <= 1,
    "at least 0 and below 1": lambda value: 0 <= value < 1,
    "from 0 to 100": lambda value: 0 <= value <= 100,
    "from 1 to 63 (8x8 DCT)": lambda value: 1 <= value <= 63,
    "from 1 to 30, as in CERTH": lambda value: 1 <= value <= 30,
    "0 or 1": lambda value: value in (0, 1),
    "at least 2": lambda value: value >= 2,
    "at least 16 pixels": lambda value: value >= 16,
    "at least 32 pixels": lambda value: value >= 32,
    "at least 64 pixels": lambda value: value >= 64,
    "at least 96 pixels": lambda value: value >= 96,
}


def ruled(default: Any, must_be: str, empty: bool = True) -> Any:
    """A field whose value, or every item of it, must obey a rule; a list may be `empty`."""
    return field(default=default, metadata={"must be": must_be, "empty": empty})


def positive(default: Any = MISSING, empty: bool = True) -> Any:
    """A field of numbers above 0."""
    return ruled(default, "above 0 and finite", empty)


def not_negative(default: Any = MISSING) -> Any:
    """A field of numbers of at least 0."""
    return ruled(default, "at least 0 and finite")


class Section:
    """A section of a parameter file; checks its values by the rules of its fields."""

    section: ClassVar[str] = ""

    def __init_subclass__(cls, section: str = "") -> None:
        """Set the section's name in the file."""
        cls.section = section

    def __post_init__(self) -> None:
        """Check the values."""
        for one in fields(self):  # type: ignore[arg-type]
            value, must_be = getattr(self, one.name), one.metadata.get("must be")
            if must_be is None:
                continue
            place = f"params: {self.section}.{one.name}"
            several = isinstance(value, tuple)
            require(value != () or one.metadata["empty"], f"{place} is empty")
            good = all(map(RULES[must_be], value if several else [value]))
            shown = list(value) if several else value
            require(good, f"{place} is {shown}, must be {must_be}")


@dataclass(frozen=True)
class DatasetParams(Section, section="dataset"):
    """Which data set: the folder `root`/`name` and its layout.

    `layout` is one of `blur_fusion.data.layouts.layout_names`; `blurred_label` is the number that
    means blurred in a metadata.csv.
    """

    name: str = "sample"
    root: str = "data"
    layout: str = "auto"
    sharp_folder: str = "sharp"
    blurred_folder: str = "blurred"
    blurred_label: int = ruled(1, "0 or 1")

    def __post_init__(self) -> None:
        """Require a name."""
        super().__post_init__()
        require(bool(self.name), "params: dataset.name is empty")


@dataclass(frozen=True)
class SampleParams(Section, section="sample"):
    """Size of the embedded data set."""

    training_scenes: int = positive(800)
    natural_scenes: int = positive(450)
    digital_scenes: int = ruled(30, "from 1 to 30, as in CERTH")
    long_side: int = ruled(1024, "at least 96 pixels")
    supersampled: float = ruled(0.3, "from 0 to 1")


@dataclass(frozen=True)
class ImageParams(Section, section="image"):
    """What every model sees: see `blur_fusion.images.photo.working_image`."""

    long_side: int = ruled(768, "at least 64 pixels")


@dataclass(frozen=True)
class SplitParams(Section, section="split"):
    """One split by scene; `test_fraction` is for layouts without an official test half."""

    validation_fraction: float = ruled(0.2, "between 0 and 1")
    test_fraction: float = ruled(0.2, "between 0 and 1")
    folds: int = ruled(3, "at least 2")


@dataclass(frozen=True)
class LoadParams(Section, section="load"):
    """How working images are stored."""

    shard_images: int = positive(64)


@dataclass(frozen=True)
class ComputeParams(Section, section="compute"):
    """`threads` per fit, fixed as results depend on them; worker processes, 0 for one per core."""

    threads: int = positive(1)
    workers: int = not_negative(0)


@dataclass(frozen=True)
class CnnParams(Section, section="cnn"):
    """The convolutional network and its training."""

    patterns: int = ruled(32, "from 1 to 63 (8x8 DCT)")
    filters: tuple[int, ...] = positive((32, 48), empty=False)
    dropout: float = ruled(0.1, "at least 0 and below 1")
    epochs: int = positive(9)
    steps_per_epoch: int = positive(220)
    crop_side: int = ruled(224, "at least 32 pixels")
    crops: int = positive(16)
    wide_crop_side: int = ruled(448, "at least 32 pixels")
    wide_crops: int = positive(5)
    wide_every: int = positive(3)
    learning_rate: float = positive(0.005)
    weight_decay: float = not_negative(0.0001)
    label_smoothing: float = ruled(0.02, "at least 0 and below 1")
    kind_weight: float = not_negative(0.3)
    augment: bool = True
    overlays: float = ruled(0.4, "from 0 to 1")
    ranked: int = not_negative(4)
    rank_weight: float = not_negative(1.0)
    check_images: int = positive(60)


@dataclass(frozen=True)
class FeatureParams(Section, section="features"):
    """Focus measures: pyramid levels, tiles along the long side, percentiles over tiles."""

    levels: int = positive(3)
    tiles: int = positive(8)
    percentiles: tuple[float, ...] = ruled((25.0, 50.0, 75.0, 95.0), "from 0 to 100", empty=False)


@dataclass(frozen=True)
class FuseParams(Section, section="fuse"):
    """The dense stack."""

    hidden: tuple[int, ...] = positive((64, 32))
    dropout: float = ruled(0.25, "at least 0 and below 1")
    base_dropout: float = ruled(0.2, "at least 0 and below 1")
    residual: float = ruled(0.3, "from 0 to 1")
    epochs: int = positive(140)
    batch: int = positive(64)
    learning_rate: float = positive(0.003)
    weight_decay: float = not_negative(0.001)
    members: int = positive(5)
    fold_members: int = positive(2)
    clip: float = positive(3.0)
    ranked: int = not_negative(360)
    rank_weight: float = not_negative(0.5)
    copy_weight: float = not_negative(1.0)
    agreement_weight: float = not_negative(0.3)
    kind_members: int = positive(3)


@dataclass(frozen=True)
class ThresholdParams(Section, section="threshold"):
    """Accepted error rates on the validation images.

    Attributes
    ----------
    max_false_alarm_rate : float
        Of sharp images called blurred; sets the threshold.
    max_miss_rate : float
        Of blurred images called sharp rather than unsure.
    max_sure_false_alarm_rate : float
        Of sharp images called blurred rather than unsure.
    """

    max_false_alarm_rate: float = ruled(0.066, "between 0 and 1")
    max_miss_rate: float = ruled(0.03, "between 0 and 1")
    max_sure_false_alarm_rate: float = ruled(0.02, "between 0 and 1")


@dataclass(frozen=True)
class EvaluateParams(Section, section="evaluate"):
    """Bootstrap resamples, calibration bins, worst errors shown, images perturbed."""

    resamples: int = positive(1000)
    calibration_bins: int = positive(15)
    worst_images: int = positive(24)
    robustness_images: int = positive(200)


@dataclass(frozen=True)
class Params:
    """All parameters of a run, one section per part of the pipeline."""

    seed: int = 11
    dataset: DatasetParams = DatasetParams()
    sample: SampleParams = SampleParams()
    image: ImageParams = ImageParams()
    split: SplitParams = SplitParams()
    load: LoadParams = LoadParams()
    compute: ComputeParams = ComputeParams()
    cnn: CnnParams = CnnParams()
    features: FeatureParams = FeatureParams()
    fuse: FuseParams = FuseParams()
    threshold: ThresholdParams = ThresholdParams()
    evaluate: EvaluateParams = EvaluateParams()


def _value(name: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`; integers serve as floats, lists as tuples, nothing else is converted."""
    if hasattr(kind, "__dataclass_fields__"):
        return read_section(name, value, kind)
    if get_origin(kind) is tuple:
        require(isinstance(value, list), f"params: {name} is {value!r}, must be a list")
        return tuple(_value(name, item, get_args(kind)[0]) for item in value)
    if get_origin(kind) is Literal:
        words = ", ".join(repr(word) for word in get_args(kind))
        require(value in get_args(kind), f"params: {name} is '{value}', must be one of {words}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
        raise BlurError(f"params: {name} is {value!r}, must be of type {kind.__name__}")
    return value


def read_section(name: str, values: Any, kind: Any) -> Any:
    """Build the dataclass `kind` from the mapping `values`; omitted values keep their defaults.

    BlurError if a name is unknown or missing, or a value has the wrong type or breaks its rule.
    """
    what = f"section '{name}'" if name else "the file"
    require(isinstance(values, dict), f"params: {what} must map names to values")
    hints = get_type_hints(kind)
    known = {one.name: one.default is MISSING for one in fields(kind)}
    prefix = f"{name}." if name else ""
    for key in values:
        require(key in known, f"params: unknown name '{prefix}{key}'; known: {', '.join(known)}")
    for key, needed in known.items():
        require(key in values or not needed, f"params: '{prefix}{key}' is missing")
    return kind(**{key: _value(f"{prefix}{key}", values[key], hints[key]) for key in values})


def read_params(path: Path, kind: type[File], where: str = "params") -> File:
    """Read a YAML file as the dataclass `kind`; errors about its contents begin with `where`.

    BlurError if the file is missing or not YAML, a name is unknown, or a value is not allowed.
    """
    import yaml  # not needed to judge photos

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; run from the project's folder") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BlurError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        found: File = read_section("", values, kind)
    except BlurError as error:
        raise BlurError(f"{where}: {str(error).removeprefix('params: ')}") from None
    return found


def load_params(path: Path | str | None = "params.yaml") -> Params:
    """Read `path`; with None, params.yaml of this folder, or the defaults where there is none."""
    if path is None and not Path("params.yaml").exists():
        return Params()
    return read_params(Path(path or "params.yaml"), Params)
