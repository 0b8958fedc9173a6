"""How the integers and scales of a weight are chosen: one method a file, behind `Quantizer`."""
