"""The process that owns a model, and the messages it exchanges with a window or a server."""
