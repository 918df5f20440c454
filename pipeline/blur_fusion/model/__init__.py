"""The model folder, what judges with it, and where it comes from."""
