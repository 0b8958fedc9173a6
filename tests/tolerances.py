"""Every numeric tolerance that several tests share, with its reason."""

LOGITS_FP32 = 1e-4
"""Absolute, on logits of unit scale: fp32 sums in another order, over a few layers, differ by about 1e-5."""

RELATIVE_FP32 = 1e-5
"""Relative to the largest value: two fp32 implementations of one network; float32 has 6e-8 per operation."""

INT8_ACTIVATIONS = 0.05
"""Relative norm of a difference: the CPU's graphs round activations to 8 bits in every product, which changes logits
and features of a small model by 1 to 2 %."""

LOGPROB_FP32 = 5e-5
"""Absolute, on a logarithm of a sum of 102,400 powers in float32. ONNX Runtime's sum for the CPU adds them in few
lanes: where all are equal, and round the same way each time, it was 2e-5 off; with powers of different sizes 1e-6."""
