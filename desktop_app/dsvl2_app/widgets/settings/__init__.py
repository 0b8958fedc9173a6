"""The dialog of settings, one file for each of its pages."""
