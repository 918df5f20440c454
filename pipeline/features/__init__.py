"""Focus measures: one table, one summary."""

from pipeline.features.summarise import describe, describe_twice, feature_names
from pipeline.features.table import MEASURES, Measure

__all__ = ["MEASURES", "Measure", "describe", "describe_twice", "feature_names"]
