"""The computer: processor, memory, disk, files."""
