"""The same bytes from two runs on one machine."""

from __future__ import annotations

import os

import cv2
import keras
import tensorflow as tf


def make_deterministic(seed: int, threads: int) -> None:
    """Seed Keras and TensorFlow and fix the thread count, so that two runs give the same bytes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    cv2.setNumThreads(1)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # TensorFlow has run already in this process: the count stands
        pass
