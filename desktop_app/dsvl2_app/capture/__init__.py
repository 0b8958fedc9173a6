"""Takes pictures of the screen: one handler for each way, each of which says whether it can work here."""
