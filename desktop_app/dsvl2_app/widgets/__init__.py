"""What the user sees. Widgets show the state and emit signals for what the user wants."""
