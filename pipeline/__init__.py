"""Blur Fusion: tells blurred photos from sharp ones."""

__version__ = "0.1.0"
