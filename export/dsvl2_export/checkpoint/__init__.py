"""Checkpoints in the official layout: opened, checked, written."""
