"""Other engines on the same shapes, each in a process of its own that prints the figures it can give."""
