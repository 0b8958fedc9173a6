"""Runs a bundle of ONNX graphs: pictures and a question in, text out."""
