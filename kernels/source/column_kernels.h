// What surrounds products with int8 columns, for vectors of any width: a file of an instruction set includes this and
// gives its own vectors `V`, which lie in a namespace of that file, with `store_integers` for activations in a record.
#pragma once
#include <cstring>

#include "columns.h"

namespace dsvl2 {

template <class V>
struct Columns {
  using Vector = typename V::Vector;
  static constexpr size_t W = V::kWidth, kParts = kLanes / W;

  static DSVL2_INLINE Vector load(const float* at, size_t n) { return n >= W ? V::load(at) : V::load_first(at, n); }
  static DSVL2_INLINE void store(float* at, Vector v, size_t n) { n >= W ? V::store(at, v) : V::store_first(at, v, n); }

  struct Measured {
    Vector least = V::zero(), most = V::zero(), wild = V::zero();  // wild is zero unless a value is not finite

    DSVL2_INLINE void add(Vector x) {
      least = V::min(x, least);
      most = V::max(x, most);
      wild = V::fma(x, V::zero(), wild);
    }
    DSVL2_INLINE void widen(Range* range) const { range->widen({V::least(least), V::largest(most), V::total(wild) == 0.f}); }
  };

  static void measure(const float* x, size_t count, Range* range) {
    Measured found;
    for (size_t i = 0; i < count; i += W) found.add(load(x + i, count - i));
    found.widen(range);
  }

  static void normalize(const float* x, size_t count, const float* gamma, const float* beta, float epsilon, float* y) {
    Vector sums[kParts];
    const auto total = [&](const auto& term) {
      for (size_t p = 0; p < kParts; ++p) sums[p] = V::zero();
      for (size_t i = 0; i < count; i += kLanes)
        for (size_t p = 0; p < kParts; ++p)
          if (i + p * W < count) sums[p] = V::add(sums[p], term(i + p * W));
      return V::total_of_16(sums);
    };
    const float mean = total([&](size_t i) { return load(x + i, count - i); }) / float(count);
    const Vector means = V::set1(mean);
    const float variance = total([&](size_t i) {
      Vector d = V::sub(load(x + i, count - i), means);
      if (count - i < W) d = V::first_or(d, count - i, V::zero());
      return V::mul(d, d);
    }) / float(count);
    const Vector factor = V::set1(1.f / V::square_root(variance + epsilon));
    for (size_t i = 0; i < count; i += W) {
      const size_t n = count - i;
      const Vector scaled = V::mul(V::mul(V::sub(load(x + i, n), means), factor), load(gamma + i, n));
      store(y + i, V::add(scaled, load(beta + i, n)), n);
    }
  }

  static void quantize(const float* x, size_t count, float scale, int32_t zero_point, uint8_t* record) {
    const size_t padded = round_up(count, kDepthUnit);
    if (!(scale <= 3.4e38f && scale >= -3.4e38f)) {
      std::memset(record, 0, padded * V::kValueBytes);
      return;
    }
    const Vector divisor = V::set1(scale), zero = V::set1(float(zero_point));
    const Vector lowest = V::set1(float(-zero_point)), highest = V::set1(float(255 - zero_point));
    for (size_t i = 0; i < padded; i += W) {
      const Vector values = i < count ? load(x + i, count - i) : V::zero();
      // Behind the end stands the zero point, and weights there are zeros.
      const Vector q = V::round(V::min(V::max(V::div(values, divisor), lowest), highest));
      V::store_integers(record + i * V::kValueBytes, V::add(q, zero));
    }
  }

  static DSVL2_INLINE Vector exp_of(Vector x) {
    using namespace exponential;
    x = V::min(V::set1(kHighest), V::max(V::set1(kLowest), x));
    const Vector n = V::round(V::mul(x, V::set1(kLog2e))), minus_n = V::sub(V::zero(), n);
    Vector r = V::fma(minus_n, V::set1(kLog2High), x);
    r = V::fma(minus_n, V::set1(kLog2Low), r);
    Vector p = V::set1(kPolynomial[0]);
    DSVL2_UNROLL(5)
    for (int i = 1; i < 6; ++i) p = V::fma(p, r, V::set1(kPolynomial[i]));
    p = V::fma(V::mul(p, r), r, V::add(r, V::set1(1.f)));
    return V::times_power(p, n);
  }

  template <bool Gelu, bool Measure>
  static void finish_rows(const ColumnBlock& b, Range* range) {
    const Vector scale = V::set1(b.scale);
    Measured found;
    for (size_t i = 0; i < b.rows; ++i) {
      const int32_t* const sums = b.sums + i * kColumns;
      float* const y = b.y + i * b.width;
      const float* const residual = b.residual ? b.residual + i * b.width : nullptr;
      for (size_t n = 0; n < b.columns; n += W) {
        const size_t here = b.columns - n;
        Vector v = V::mul(V::from_sum(sums + n, b.starts + n), V::mul(scale, load(b.scales + n, here)));
        if (b.bias) v = V::add(v, load(b.bias + n, here));
        if constexpr (Gelu) {
          const Vector z = V::mul(v, V::fma(V::mul(v, v), V::set1(gelu::kCubic), V::set1(gelu::kLinear)));
          v = V::div(v, V::add(exp_of(V::sub(V::zero(), z)), V::set1(1.f)));
        }
        if (residual) v = V::add(v, load(residual + n, here));
        store(y + n, v, here);
        if constexpr (Measure) found.add(here >= W ? v : V::first_or(v, here, V::zero()));
      }
    }
    if constexpr (Measure) found.widen(range);
  }

  static void finish(const ColumnBlock& b, Range* range) {
    if (b.gelu) return range ? finish_rows<true, true>(b, range) : finish_rows<true, false>(b, range);
    return range ? finish_rows<false, true>(b, range) : finish_rows<false, false>(b, range);
  }
};

}  // namespace dsvl2
