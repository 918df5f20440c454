"""From files and arrays to working images."""

from pipeline.images.working import working_image

__all__ = ["working_image"]
