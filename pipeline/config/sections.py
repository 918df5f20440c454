"""The sections of params.yaml as frozen dataclasses that refuse impossible values."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config.checks import below_one, fraction, not_negative, positive, sizes
from pipeline.config.errors import require


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
    """What every model sees: see `pipeline.images.working_image`."""

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
    polar_members: int
    polar_steps: int

    def __post_init__(self) -> None:
        counts = ("epochs", "batch", "members", "kind_members", "polar_members", "polar_steps")
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
    """Intervals, calibration bins, the page of worst errors, images that are perturbed."""

    resamples: int
    calibration_bins: int
    worst_images: int
    robustness_images: int

    def __post_init__(self) -> None:
        positive("evaluate", resamples=self.resamples, calibration_bins=self.calibration_bins)
        positive("evaluate", worst_images=self.worst_images)
        positive("evaluate", robustness_images=self.robustness_images)
