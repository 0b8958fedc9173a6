// Attention with AVX-512.
#include "attention_kernels.h"
#include "avx512_vectors.h"

namespace dsvl2::avx512 {

const AttentionKernels kAttention = Attention<Vectors>::kernels();

}  // namespace dsvl2::avx512
