// Products with int8 columns with AVX2, FMA and AVX-VNNI.
#define DSVL2_AVX_VNNI
#include "columns_256.h"

namespace dsvl2::avxvnni {

const ColumnKernels kColumnKernels = kColumns256;

}  // namespace dsvl2::avxvnni
