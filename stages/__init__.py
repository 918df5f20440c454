"""Thin scripts, one for each stage of dvc.yaml, and the click test script."""
