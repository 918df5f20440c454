"""Focus measures: one table, one summary."""

from pipeline.features.summarise import describe, feature_names
from pipeline.features.table import MEASURES, Measure

__all__ = ["MEASURES", "Measure", "describe", "feature_names"]
