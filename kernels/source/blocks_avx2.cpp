// Block products with AVX2 and FMA.
#include "blocks_256.h"

namespace dsvl2::avx2 {

const BlockKernels kBlocks = kKernels;

}  // namespace dsvl2::avx2
