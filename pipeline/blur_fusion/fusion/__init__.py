"""Stacking: CNN logits and focus measures to one calibrated probability and one threshold."""
