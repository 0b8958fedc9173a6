// A product in fp32 with a narrow matrix, for vectors of any width.
#pragma once
#include <cstddef>

#include "compiler.h"

namespace dsvl2 {

constexpr size_t kRouterDepth = 512;  // features whose products are added before the next ones begin
constexpr size_t kRouterColumns = 64; // at a time, where there is one row: whole lines of memory, one behind the other

struct RouterKernels {
  // y[r * width + n] = sum over k < depth of x[r * stride + k] * w[k * width + n], or that added to what y has.
  void (*product)(const float* x, size_t stride, size_t rows, const float* w, size_t depth, size_t width, bool add, float* y);
};

template <class V>
struct RouterProduct {
  using Vector = typename V::Vector;
  static constexpr size_t W = V::kWidth, kAheadFloats = 512;

  // `left` columns from w and y on, at most C * W of them.
  template <size_t R, size_t C, bool Whole>
  static DSVL2_INLINE void tile(const float* x, size_t stride, const float* w, size_t depth, size_t width, size_t left, bool add,
                                float* y) {
    const auto here = [&](size_t j) { return left > j * W ? left - j * W : 0; };
    Vector s[R][C];
    DSVL2_UNROLL(8)
    for (size_t r = 0; r < R; ++r)
      DSVL2_UNROLL(16)
      for (size_t j = 0; j < C; ++j) s[r][j] = V::zero();
    for (size_t k = 0; k < depth; ++k, w += width) {
      Vector b[C];
      DSVL2_UNROLL(16)
      for (size_t j = 0; j < C; ++j) {
        if (Whole || here(j) > 0) {
          b[j] = Whole ? V::load(w + j * W) : V::load_first(w + j * W, here(j));
          if (R == 1) DSVL2_PREFETCH(w + j * W + kAheadFloats);
        } else {
          b[j] = V::zero();
        }
      }
      DSVL2_UNROLL(8)
      for (size_t r = 0; r < R; ++r) {
        const Vector a = V::set1(x[r * stride + k]);
        DSVL2_UNROLL(16)
        for (size_t j = 0; j < C; ++j) s[r][j] = V::fma(a, b[j], s[r][j]);
      }
    }
    DSVL2_UNROLL(8)
    for (size_t r = 0; r < R; ++r)
      DSVL2_UNROLL(16)
      for (size_t j = 0; j < C; ++j) {
        if (!Whole && here(j) == 0) continue;
        float* const at = y + r * width + j * W;
        const Vector before = !add ? V::zero() : Whole ? V::load(at) : V::load_first(at, here(j));
        const Vector sum = add ? V::add(before, s[r][j]) : s[r][j];
        Whole ? V::store(at, sum) : V::store_first(at, sum, here(j));
      }
  }

  template <size_t R, size_t C>
  static void rows(const float* x, size_t stride, const float* w, size_t depth, size_t width, bool add, float* y) {
    for (size_t n = 0; n < width; n += C * W) {
      if (width - n >= C * W)
        tile<R, C, true>(x, stride, w + n, depth, width, C * W, add, y + n);
      else
        tile<R, C, false>(x, stride, w + n, depth, width, width - n, add, y + n);
    }
  }

  static void product(const float* x, size_t stride, size_t count, const float* w, size_t depth, size_t width, bool add,
                      float* y) {
    size_t r = 0;
    for (; r + V::kTile <= count; r += V::kTile)
      rows<V::kTile, V::kVectors>(x + r * stride, stride, w, depth, width, add, y + r * width);
    for (; r < count; ++r) rows<1, kRouterColumns / W>(x + r * stride, stride, w, depth, width, add, y + r * width);
  }
};

namespace reference {
extern const RouterKernels kRouter;
}
namespace avx2 {
extern const RouterKernels kRouter;
}
namespace avx512 {
extern const RouterKernels kRouter;
}
namespace neon {
extern const RouterKernels kRouter;
}

}  // namespace dsvl2
