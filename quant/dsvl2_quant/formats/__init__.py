"""How weights are stored in a bundle: one format a file, with its sizes and its way back to float32."""
