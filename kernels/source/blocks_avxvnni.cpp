// Block products with AVX2, FMA and AVX-VNNI: processors of laptops since 2021, which have no AVX-512.
#define DSVL2_AVX_VNNI
#include "blocks_256.h"

namespace dsvl2::avxvnni {

const BlockKernels kBlocks = kKernels;

}  // namespace dsvl2::avxvnni
