"""How weights lie in a bundle: one format a file, with its sizes, there and back."""
