"""From a folder of photos to labelled, split and stored working images."""

from pipeline.data.dataset import DataSet, LabelledImage
from pipeline.data.open import open_dataset
from pipeline.data.store import Store, write_store

__all__ = ["DataSet", "LabelledImage", "Store", "open_dataset", "write_store"]
