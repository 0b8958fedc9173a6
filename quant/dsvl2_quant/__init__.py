"""Quantised weight formats and the recipes that choose among them."""
