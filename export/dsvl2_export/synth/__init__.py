"""Checkpoints with random weights in the official layout."""
