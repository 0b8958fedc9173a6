"""Every numeric tolerance that several tests share, with its reason."""

LOGITS_FP32 = 1e-4
"""Absolute, on logits of unit scale: fp32 sums in another order, over a few layers, differ by about 1e-5."""

RELATIVE_FP32 = 1e-5
"""Relative to the largest value: two fp32 implementations of one network; float32 has 6e-8 per operation."""
