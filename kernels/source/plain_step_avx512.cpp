// A step of plain attention with AVX-512.
#include "avx512_vectors.h"
#include "plain_step_kernels.h"

namespace dsvl2::avx512 {

const PlainStepKernels kPlainStep = {PlainStepLoops<Vectors>::weigh, PlainStepLoops<Vectors>::mix};

}  // namespace dsvl2::avx512
