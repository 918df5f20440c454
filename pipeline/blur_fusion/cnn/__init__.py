"""The convolutional network and its training."""
