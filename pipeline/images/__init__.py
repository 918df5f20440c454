"""From files and arrays to working images."""

from pipeline.images.middle import middle
from pipeline.images.opened import Opened, open_working
from pipeline.images.working import working_image

__all__ = ["Opened", "middle", "open_working", "working_image"]
