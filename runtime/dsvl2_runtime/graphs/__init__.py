"""The ONNX graphs of a bundle: what they take and give, sessions, cache, and the code that runs each of them."""
