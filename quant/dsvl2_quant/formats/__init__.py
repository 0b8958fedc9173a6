"""How quantised weights lie in memory: one format a file, there and back."""
