"""The convolutional network: built, fitted in folds, and applied to whole images."""
