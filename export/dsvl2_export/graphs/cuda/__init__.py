"""Graphs for the target cuda, written from a bundle's graphs for the CPU: the same quantised values, laid out anew."""
