// The router's product in plain C++, which every other level is tested against.
#include <cmath>

#include "router_kernels.h"

namespace dsvl2::reference {
namespace {

void product(const float* x, size_t stride, size_t rows, const float* w, size_t depth, size_t width, bool add, float* y) {
  for (size_t r = 0; r < rows; ++r)
    for (size_t n = 0; n < width; ++n) {
      float sum = 0;
      for (size_t k = 0; k < depth; ++k) sum = std::fma(x[r * stride + k], w[k * width + n], sum);
      y[r * width + n] = add ? y[r * width + n] + sum : sum;
    }
}

}  // namespace

const RouterKernels kRouter = {product};

}  // namespace dsvl2::reference
