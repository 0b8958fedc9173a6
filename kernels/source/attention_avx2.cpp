// Attention with AVX2 and FMA.
#include "attention_kernels.h"
#include "avx2_vectors.h"

namespace dsvl2::avx2 {

const AttentionKernels kAttention = Attention<Vectors>::kernels();

}  // namespace dsvl2::avx2
