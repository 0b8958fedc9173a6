"""What the window shows and what it works on, as plain data: no Qt here."""
