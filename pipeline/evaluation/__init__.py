"""Metrics with intervals, baselines, the table, plots and the page of worst mistakes."""
