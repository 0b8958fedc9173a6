"""Questions about a drawn page, with their answers."""
