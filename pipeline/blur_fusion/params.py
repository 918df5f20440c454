"""params.yaml as frozen dataclasses that refuse unknown names and impossible values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from blur_fusion.errors import BlurError, require


def positive(section: str, **values: float) -> None:
    """Refuse values that are not above 0, infinity and NaN too."""
    for name, value in values.items():
        finite = 0 < value < float("inf")
        require(finite, f"params: {section}.{name} is {value}, must be above 0 and finite")


def not_negative(section: str, **values: float) -> None:
    """Refuse values below 0, infinity and NaN too."""
    for name, value in values.items():
        finite = 0 <= value < float("inf")
        require(finite, f"params: {section}.{name} is {value}, must be at least 0 and finite")


def sizes(section: str, name: str, values: tuple[int, ...]) -> None:
    """Refuse lists of layer sizes that hold a number below 1."""
    every = all(value > 0 for value in values)
    require(every, f"params: {section}.{name} is {list(values)}, must be numbers above 0")


def fraction(section: str, **values: float) -> None:
    """Refuse values that do not lie between 0 and 1."""
    for name, value in values.items():
        require(0 < value < 1, f"params: {section}.{name} is {value}, must lie between 0 and 1")


def below_one(section: str, **values: float) -> None:
    """Refuse values that are not at least 0 and below 1."""
    for name, value in values.items():
        require(0 <= value < 1, f"params: {section}.{name} is {value}, must be in 0..1, below 1")


@dataclass(frozen=True)
class DatasetParams:
    """Which data set: the folder `root`/`name`, and how it is laid out."""

    name: str
    root: str
    layout: str
    sharp_folder: str
    blurred_folder: str

    def __post_init__(self) -> None:
        layouts = ("auto", "certh", "folders", "labels")
        known = f"params: dataset.layout is '{self.layout}', must be one of {', '.join(layouts)}"
        require(self.layout in layouts, known)
        require(bool(self.name), "params: dataset.name is empty")


@dataclass(frozen=True)
class SampleParams:
    """Size of the embedded data set."""

    training_scenes: int
    natural_scenes: int
    digital_scenes: int
    long_side: int
    supersampled: float

    def __post_init__(self) -> None:
        scenes = ("training_scenes", "natural_scenes", "digital_scenes")
        positive("sample", **{name: getattr(self, name) for name in scenes})
        require(self.digital_scenes <= 30, "params: sample.digital_scenes is above CERTH's 30")
        require(self.long_side >= 96, "params: sample.long_side is below 96 pixels")
        require(0 <= self.supersampled <= 1, "params: sample.supersampled must lie in 0..1")


@dataclass(frozen=True)
class ImageParams:
    """What every model sees: see `blur_fusion.images.photo.working_image`."""

    long_side: int

    def __post_init__(self) -> None:
        require(self.long_side >= 64, f"params: image.long_side is {self.long_side}, below 64")


@dataclass(frozen=True)
class SplitParams:
    """One split by scene; `test_fraction` serves layouts without an official test half."""

    validation_fraction: float
    test_fraction: float
    folds: int

    def __post_init__(self) -> None:
        fraction("split", validation_fraction=self.validation_fraction)
        fraction("split", test_fraction=self.test_fraction)
        require(self.folds >= 2, f"params: split.folds is {self.folds}, must be at least 2")


@dataclass(frozen=True)
class LoadParams:
    """How working images are stored."""

    shard_images: int

    def __post_init__(self) -> None:
        positive("load", shard_images=self.shard_images)


@dataclass(frozen=True)
class ComputeParams:
    """`threads` of one fit (fixed, so that its bytes are); worker processes, 0 = all cores."""

    threads: int
    workers: int

    def __post_init__(self) -> None:
        positive("compute", threads=self.threads)
        require(self.workers >= 0, "params: compute.workers is negative")


@dataclass(frozen=True)
class CnnParams:
    """The convolutional network and its training."""

    patterns: int
    filters: tuple[int, ...]
    dropout: float
    epochs: int
    steps_per_epoch: int
    crop_side: int
    crops: int
    wide_crop_side: int
    wide_crops: int
    wide_every: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    kind_weight: float
    augment: bool
    overlays: float
    ranked: int
    rank_weight: float
    check_images: int

    def __post_init__(self) -> None:
        positive("cnn", wide_every=self.wide_every, check_images=self.check_images)
        sizes("cnn", "filters", self.filters)
        require(bool(self.filters), "params: cnn.filters is empty")
        require(1 <= self.patterns <= 63, "params: cnn.patterns must lie in 1..63 (8x8 DCT)")
        not_negative("cnn", weight_decay=self.weight_decay, kind_weight=self.kind_weight)
        not_negative("cnn", ranked=self.ranked, rank_weight=self.rank_weight)
        require(0 <= self.overlays <= 1, "params: cnn.overlays must lie in 0..1")
        positive("cnn", epochs=self.epochs, steps_per_epoch=self.steps_per_epoch, crops=self.crops)
        positive("cnn", learning_rate=self.learning_rate, wide_crops=self.wide_crops)
        require(min(self.crop_side, self.wide_crop_side) >= 32, "params: cnn crops below 32 px")
        below_one("cnn", dropout=self.dropout, label_smoothing=self.label_smoothing)


@dataclass(frozen=True)
class FeatureParams:
    """Focus measures: pyramid levels, tiles along the long side, percentiles over tiles."""

    levels: int
    tiles: int
    percentiles: tuple[float, ...]

    def __post_init__(self) -> None:
        positive("features", levels=self.levels, tiles=self.tiles)
        require(
            bool(self.percentiles) and all(0 <= p <= 100 for p in self.percentiles),
            "params: features.percentiles must be numbers from 0 to 100",
        )


@dataclass(frozen=True)
class FuseParams:
    """The stacked dense network."""

    hidden: tuple[int, ...]
    dropout: float
    base_dropout: float
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    members: int
    clip: float
    ranked: int
    rank_weight: float
    copy_weight: float
    agreement_weight: float
    kind_members: int

    def __post_init__(self) -> None:
        counts = ("epochs", "batch", "members", "kind_members")
        positive("fuse", **{name: getattr(self, name) for name in counts})
        positive("fuse", learning_rate=self.learning_rate, clip=self.clip)
        sizes("fuse", "hidden", self.hidden)
        weights = ("ranked", "rank_weight", "copy_weight", "agreement_weight", "weight_decay")
        not_negative("fuse", **{name: getattr(self, name) for name in weights})
        below_one("fuse", dropout=self.dropout, base_dropout=self.base_dropout)


@dataclass(frozen=True)
class ThresholdParams:
    """The stated cost: the share of sharp validation images that may be called blurred."""

    max_false_alarm_rate: float

    def __post_init__(self) -> None:
        fraction("threshold", max_false_alarm_rate=self.max_false_alarm_rate)


@dataclass(frozen=True)
class EvaluateParams:
    """Intervals, calibration bins, worst errors in the report, images that are perturbed."""

    resamples: int
    calibration_bins: int
    worst_images: int
    robustness_images: int

    def __post_init__(self) -> None:
        positive("evaluate", resamples=self.resamples, calibration_bins=self.calibration_bins)
        positive("evaluate", worst_images=self.worst_images)
        positive("evaluate", robustness_images=self.robustness_images)


@dataclass(frozen=True)
class Params:
    """All parameters of a run, one section for each part of the pipeline."""

    seed: int
    dataset: DatasetParams
    sample: SampleParams
    image: ImageParams
    split: SplitParams
    load: LoadParams
    compute: ComputeParams
    cnn: CnnParams
    features: FeatureParams
    fuse: FuseParams
    threshold: ThresholdParams
    evaluate: EvaluateParams


def _value(name: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`; whole numbers serve as floats, lists as tuples, nothing else is bent."""
    if get_origin(kind) is tuple:
        require(isinstance(value, list), f"params: {name} is {value!r}, must be a list")
        return tuple(_value(name, item, get_args(kind)[0]) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
        raise BlurError(f"params: {name} is {value!r}, must be of type {kind.__name__}")
    return value


def _section(name: str, values: Any, kind: Any) -> Any:
    """Build the dataclass `kind` from the mapping `values`."""
    require(isinstance(values, dict), f"params: section '{name}' is missing or no mapping")
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    prefix = f"{name}." if name else ""
    for key in values:
        require(key in known, f"params: unknown name '{prefix}{key}'; known: {', '.join(known)}")
    for key in known:
        require(key in values, f"params: '{prefix}{key}' is missing")
    built = {}
    for key in known:
        hint = hints[key]
        nested = hasattr(hint, "__dataclass_fields__")
        build = _section if nested else _value
        built[key] = build(f"{prefix}{key}", values[key], hint)
    return kind(**built)


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read `path`.

    Raises
    ------
    BlurError
        The file is missing or no YAML, a name is unknown or missing, or a value impossible.
    """
    import yaml  # a detector that is told its params has no need of it

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; run from the project's folder") from None
    except yaml.YAMLError as error:
        raise BlurError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None
    params: Params = _section("", values, Params)
    return params
