// A step of plain attention with AVX2 and FMA.
#include "avx2_vectors.h"
#include "plain_step_kernels.h"

namespace dsvl2::avx2 {

const PlainStepKernels kPlainStep = {PlainStepLoops<Vectors>::weigh, PlainStepLoops<Vectors>::mix};

}  // namespace dsvl2::avx2
