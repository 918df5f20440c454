"""The embedded data set: rendered scenes, lens, camera and CERTH's digital filters."""
