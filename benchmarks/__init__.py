"""Measurements beside the pipeline, run in the repository; not installed."""
