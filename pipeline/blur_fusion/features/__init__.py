"""Focus measures: one table, one summary."""
