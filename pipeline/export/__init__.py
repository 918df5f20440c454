"""From trained artefacts to the folder of ONNX and JSON that `pipeline.serving` reads."""
