"""One model on the disk: its manifest, its files, where models are found."""
