"""Drawing document pages."""
