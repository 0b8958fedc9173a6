"""The verb `batch`: one question about every file of a folder."""
