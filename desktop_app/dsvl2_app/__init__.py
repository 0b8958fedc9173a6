"""A window around the runtime; the engine lives in a child process."""
