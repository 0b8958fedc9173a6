"""Operators of our own for ONNX Runtime: finds the library that was built from `source/`, if there is one."""
