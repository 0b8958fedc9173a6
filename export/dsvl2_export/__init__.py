"""Turns a DeepSeek-VL2 checkpoint into a bundle of ONNX graphs."""
