"""Judging photos with an exported model: OpenCV, numpy and onnxruntime, no training libraries."""
