// A step of attention whose cached rows hold a key or a value of every head, one behind the other.
//
// A score is a sum of 16 lanes: lane l adds up the products of the values l, l + 16, … in fused steps, and the lanes are
// added as in blocks.h. The sum of a head's weights is made in the same way. A mixed value is the sum over the rows in their
// order, in fused steps. So the bits are the same on every level.
#pragma once
#include <cfloat>
#include <cstddef>

#include "compiler.h"
#include "power_of_two.h"

namespace dsvl2 {

constexpr size_t kStepRows = 64;  // of a piece of the cache, at most
constexpr float kNoScore = -FLT_MAX;  // the largest of scores that are all below it

struct StepRows {
  const float* at;  // [count][heads * width]
  size_t count, heads, width;
};

struct PlainStepKernels {
  // Powers of two of a query's scores, [heads][kStepRows], below the largest score of each head, which is `top`; their sum.
  // The query is [heads * width], scaled so that scores are powers of two. count is 1 at least.
  void (*weigh)(const float* query, const StepRows& keys, float* weights, float* top, float* sum);
  // mixed [heads * width] = the sum over rows of a head's weight times its values.
  void (*mix)(const float* weights, const StepRows& values, float* mixed);
};

template <class V>
struct PlainStepLoops {
  using Vector = typename V::Vector;
  static constexpr size_t W = V::kWidth, kLanes = 16, kVectors = kLanes / W;
  static constexpr size_t kTogether = W == 16 ? 8 : 4;  // rows whose sums stand in registers

  static DSVL2_INLINE Vector some(const float* at, size_t from, size_t width) {
    return from + W <= width ? V::load(at + from) : from < width ? V::load_first(at + from, width - from) : V::zero();
  }

  // Scores of one head against R rows.
  template <size_t R, bool Whole>
  static DSVL2_INLINE void score(const float* q, const float* keys, size_t row, size_t width, float* scores) {
    Vector sums[R][kVectors];
    DSVL2_UNROLL(8)
    for (size_t r = 0; r < R; ++r)
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < kVectors; ++v) sums[r][v] = V::zero();
    for (size_t d = 0; d < width; d += kLanes) {
      Vector x[kVectors];
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < kVectors; ++v) x[v] = Whole ? V::load(q + d + v * W) : some(q, d + v * W, width);
      DSVL2_UNROLL(8)
      for (size_t r = 0; r < R; ++r) {
        const float* const key = keys + r * row;
        DSVL2_UNROLL(4)
        for (size_t v = 0; v < kVectors; ++v)
          sums[r][v] = V::fma(x[v], Whole ? V::load(key + d + v * W) : some(key, d + v * W, width), sums[r][v]);
      }
    }
    DSVL2_UNROLL(8)
    for (size_t r = 0; r < R; ++r) scores[r] = V::total_of_16(sums[r]);
  }

  template <size_t R>
  static void score_rows(const float* query, const StepRows& keys, size_t first, float* scores) {
    const size_t row = keys.heads * keys.width;
    const float* const at = keys.at + first * row;
    for (size_t h = 0; h < keys.heads; ++h) {
      const size_t d = h * keys.width;
      float* const to = scores + h * kStepRows + first;
      if (keys.width % kLanes == 0) score<R, true>(query + d, at + d, row, keys.width, to);
      else score<R, false>(query + d, at + d, row, keys.width, to);
    }
  }

  static void weigh(const float* query, const StepRows& keys, float* weights, float* top, float* sum) {
    const size_t count = keys.count;
    size_t r = 0;
    for (; r + kTogether <= count; r += kTogether) score_rows<kTogether>(query, keys, r, weights);
    for (; r < count; ++r) score_rows<1>(query, keys, r, weights);
    for (size_t h = 0; h < keys.heads; ++h) {
      float* const of_head = weights + h * kStepRows;
      Vector most = V::set1(kNoScore), sums[kVectors];
      DSVL2_UNROLL(4)
      for (size_t v = 0; v < kVectors; ++v) sums[v] = V::zero();
      for (r = 0; r < count; r += W)
        most = V::max(most, count - r >= W ? V::load(of_head + r) : V::first_or(V::load(of_head + r), count - r, most));
      top[h] = V::largest(most);
      for (r = 0; r < count; r += kLanes)
        DSVL2_UNROLL(4)
        for (size_t v = 0; v < kVectors; ++v) {
          float* const at = of_head + r + v * W;
          const size_t here = r + v * W < count ? count - r - v * W : 0;
          Vector e = power_of_two<V>(V::sub(V::load(at), V::set1(top[h])));
          if (here < W) e = V::first_or(e, here, V::zero());
          V::store(at, e);
          sums[v] = V::add(sums[v], e);
        }
      sum[h] = V::total_of_16(sums);
    }
  }

  // mixed = weights * values of R rows, added to what is there unless they are the first.
  template <size_t R>
  static DSVL2_INLINE void mix_rows(const float* weights, const StepRows& values, size_t first, float* mixed) {
    const size_t width = values.width, row = values.heads * width;
    const float* at = values.at + first * row;
    for (size_t h = 0; h < values.heads; ++h, at += width, mixed += width) {
      Vector w[R];
      DSVL2_UNROLL(8)
      for (size_t r = 0; r < R; ++r) w[r] = V::set1(weights[h * kStepRows + first + r]);
      size_t d = 0;
      for (; d + W <= width; d += W) {
        Vector sum = first == 0 ? V::zero() : V::load(mixed + d);
        DSVL2_UNROLL(8)
        for (size_t r = 0; r < R; ++r) sum = V::fma(w[r], V::load(at + r * row + d), sum);
        V::store(mixed + d, sum);
      }
      if (d == width) continue;
      Vector sum = first == 0 ? V::zero() : V::load_first(mixed + d, width - d);
      DSVL2_UNROLL(8)
      for (size_t r = 0; r < R; ++r) sum = V::fma(w[r], V::load_first(at + r * row + d, width - d), sum);
      V::store_first(mixed + d, sum, width - d);
    }
  }

  static void mix(const float* weights, const StepRows& values, float* mixed) {
    size_t r = 0;
    for (; r + kTogether <= values.count; r += kTogether) mix_rows<kTogether>(weights, values, r, mixed);
    for (; r < values.count; ++r) mix_rows<1>(weights, values, r, mixed);
  }
};

namespace reference {
extern const PlainStepKernels kPlainStep;
}
namespace avx2 {
extern const PlainStepKernels kPlainStep;
}
namespace avx512 {
extern const PlainStepKernels kPlainStep;
}
namespace neon {
extern const PlainStepKernels kPlainStep;
}

}  // namespace dsvl2
