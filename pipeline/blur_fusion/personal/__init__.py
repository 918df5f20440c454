"""A model that has learned from one person's decisions."""
