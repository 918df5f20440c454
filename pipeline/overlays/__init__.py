"""What people lay over finished photos: it is sharp, and says nothing about the photo."""

from pipeline.overlays.drawn import overlay

__all__ = ["overlay"]
