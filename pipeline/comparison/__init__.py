"""All presets, baselines and our own model on the same test photos, in one table."""
