"""Messages and images to tensors, before any graph runs."""
