// Products with int8 columns with AVX2 and FMA.
#include "columns_256.h"

namespace dsvl2::avx2 {

const ColumnKernels kColumnKernels = kColumns256;

}  // namespace dsvl2::avx2
