"""Metrics with intervals, baselines, the table, plots and pages."""
