"""What runs the graphs of the target cuda: buffers of the GPU's memory, and graphs bound to them by address."""
