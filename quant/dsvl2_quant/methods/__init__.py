"""Methods that choose the integers and scales of a weight, one a file; each is a `Quantizer`."""
