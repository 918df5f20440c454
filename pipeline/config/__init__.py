"""Parameters and errors that every part of the pipeline shares."""

from pipeline.config.errors import BlurError, require
from pipeline.config.params import Params, load_params

__all__ = ["BlurError", "Params", "load_params", "require"]
