"""Measurements beside the pipeline: tests of scale, figures to compare with the literature."""
