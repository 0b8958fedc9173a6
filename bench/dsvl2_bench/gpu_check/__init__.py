"""One folder to check a GPU with: packed by `make gpu-check`, run by whoever has a card, without a network."""
