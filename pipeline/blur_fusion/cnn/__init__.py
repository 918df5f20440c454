"""The convolutional network: built, fitted in folds, and exported."""
