"""The clip that tests of videos share."""

from clip import clip  # noqa: F401
