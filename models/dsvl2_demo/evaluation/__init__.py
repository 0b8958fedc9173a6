"""Held-out pages, answers and scores."""
