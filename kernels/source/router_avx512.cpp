// The router's product with AVX-512.
#include "avx512_vectors.h"
#include "router_kernels.h"

namespace dsvl2::avx512 {

const RouterKernels kRouter = {RouterProduct<Vectors>::product};

}  // namespace dsvl2::avx512
