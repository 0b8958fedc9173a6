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

  static DSVL2_INLINE Vector gelu_of(Vector x) {
    const Vector z = V::mul(x, V::fma(V::mul(x, x), V::set1(gelu::kCubic), V::set1(gelu::kLinear)));
    return V::div(x, V::add(exp_of(V::sub(V::zero(), z)), V::set1(1.f)));
  }

  // Sums of rows from `first` on to y.
  template <bool Gelu, bool Measure>
  static void finish_rows(const ColumnBlock& b, size_t first, size_t rows, const int32_t* sums, Range* range) {
    const Vector scale = V::set1(b.scale);
    Measured found;
    for (size_t i = first; i < first + rows; ++i, sums += kColumns) {
      float* const y = b.y + i * b.width;
      const float* const residual = b.residual ? b.residual + i * b.width : nullptr;
      for (size_t n = 0; n < b.columns; n += W) {
        const size_t here = b.columns - n;
        Vector v = V::mul(V::from_sum(sums + n, b.starts + n), V::mul(scale, load(b.scales + n, here)));
        if (b.bias) v = V::add(v, load(b.bias + n, here));
        if constexpr (Gelu) v = gelu_of(v);
        if (residual) v = V::add(v, load(residual + n, here));
        store(y + n, v, here);
        if constexpr (Measure) found.add(here >= W ? v : V::first_or(v, here, V::zero()));
      }
    }
    if constexpr (Measure) found.widen(range);
  }

  static void finish(const ColumnBlock& b, size_t first, size_t rows, const int32_t* sums, Range* range) {
    if (b.gelu && range) return finish_rows<true, true>(b, first, rows, sums, range);
    if (b.gelu) return finish_rows<true, false>(b, first, rows, sums, range);
    if (range) return finish_rows<false, true>(b, first, rows, sums, range);
    finish_rows<false, false>(b, first, rows, sums, range);
  }

  // sums[i][n] = record i times column n of a panel; records are `depth` values long, one behind the other.
  using Product = void (*)(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums);

  template <Product product>
  static void multiply(const uint8_t* panel, size_t depth, const uint8_t* records, const ColumnBlock& b, int32_t* sums,
                       Range* range) {
    for (size_t first = 0; first < b.rows; first += kFinishedRows) {
      const size_t rows = b.rows - first < kFinishedRows ? b.rows - first : kFinishedRows;
      product(panel, depth, records + first * depth * V::kValueBytes, rows, sums);
      finish(b, first, rows, sums, range);
    }
  }
};

}  // namespace dsvl2
