"""Training the demonstration model; needs torch."""
