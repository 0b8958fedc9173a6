// The router's product with AVX2 and FMA.
#include "avx2_vectors.h"
#include "router_kernels.h"

namespace dsvl2::avx2 {

const RouterKernels kRouter = {RouterProduct<Vectors>::product};

}  // namespace dsvl2::avx2
