"""The models: their list, a row for each, the page that converts, and the cards that lead there."""
