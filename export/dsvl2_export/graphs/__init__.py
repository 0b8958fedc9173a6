"""Writing the ONNX graphs of a bundle."""
