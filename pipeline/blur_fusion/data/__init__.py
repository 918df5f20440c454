"""From a folder of photos to labelled, split and stored working images."""
