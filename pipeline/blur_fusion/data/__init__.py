"""Data sets: read, split, stored and augmented."""
