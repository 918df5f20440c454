"""Measurements, run in the repository; not installed."""
