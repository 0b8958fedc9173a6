"""The decoder written directly as a graph, block by block, out of operators ONNX Runtime runs fast."""
