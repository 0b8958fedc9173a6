"""A small DeepSeek-VL2 trained here on documents that we draw."""
