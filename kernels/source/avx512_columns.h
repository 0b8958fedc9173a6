// What the kernels of int8 columns with AVX-512 and with AMX share.
#pragma once
#include <cmath>

#include "avx512_vectors.h"
#include "column_kernels.h"

namespace dsvl2::avx512 {
namespace {  // each file that includes this has its own

struct ColumnVectors : Vectors {
  static constexpr size_t kValueBytes = 1;
  static DSVL2_INLINE float square_root(float x) { return std::sqrt(x); }
  static DSVL2_INLINE void store_integers(uint8_t* at, Vector v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
  }
};

using ColumnFunctions = Columns<ColumnVectors>;

constexpr size_t kGroup = 4 * kColumns;  // bytes of four rows of a weight, a column's four together

// Bytes of 4 rows become groups of 4 from one column each.
// `place` says where 16 columns of a group lie: (group, which 16) -> bytes from the beginning of the panel.
template <class Place>
static void pack_groups(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums,
                        const Place& place) {
  const __mmask64 lanes = columns >= 64 ? ~__mmask64(0) : (__mmask64(1) << columns) - 1;
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i totals[4] = {};
  const size_t padded = round_up(w.depth, kDepthUnit);
  for (size_t k = 0; k < padded; k += 4) {
    __m512i r[4];
    DSVL2_UNROLL(4)
    for (size_t i = 0; i < 4; ++i) {
      const int8_t* const at = w.values + (k + i) * w.width + first;
      r[i] = k + i < w.depth ? _mm512_maskz_loadu_epi8(lanes, at) : _mm512_setzero_si512();
      // Rows lie on pages of their own, and 64 columns across two lines.
      _mm_prefetch(reinterpret_cast<const char*>(at + 24 * w.width), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(at + 24 * w.width + 63), _MM_HINT_T0);
    }
    const __m512i a = _mm512_unpacklo_epi8(r[0], r[1]), b = _mm512_unpackhi_epi8(r[0], r[1]);
    const __m512i c = _mm512_unpacklo_epi8(r[2], r[3]), d = _mm512_unpackhi_epi8(r[2], r[3]);
    const __m512i e0 = _mm512_unpacklo_epi16(a, c), e1 = _mm512_unpackhi_epi16(a, c);
    const __m512i e2 = _mm512_unpacklo_epi16(b, d), e3 = _mm512_unpackhi_epi16(b, d);
    // 128-bit lane l of e[j] holds columns 16 l + 4 j to 16 l + 4 j + 3.
    const __m512i t0 = _mm512_shuffle_i32x4(e0, e1, 0x44), t1 = _mm512_shuffle_i32x4(e2, e3, 0x44);
    const __m512i t2 = _mm512_shuffle_i32x4(e0, e1, 0xee), t3 = _mm512_shuffle_i32x4(e2, e3, 0xee);
    const __m512i out[4] = {_mm512_shuffle_i32x4(t0, t1, 0x88), _mm512_shuffle_i32x4(t0, t1, 0xdd),
                            _mm512_shuffle_i32x4(t2, t3, 0x88), _mm512_shuffle_i32x4(t2, t3, 0xdd)};
    DSVL2_UNROLL(4)
    for (size_t j = 0; j < 4; ++j) {
      _mm512_store_si512(panel + place(k / 4, j), out[j]);
      totals[j] = _mm512_dpbusd_epi32(totals[j], ones, out[j]);
    }
  }
  for (size_t j = 0; j < 4; ++j) _mm512_storeu_si512(sums + j * 16, totals[j]);
}

// Scales whose reciprocal, and the remainders below, are normal numbers where a quotient is not far below 1/2.
constexpr float kLeastScale = 0x1p-90f, kMostScale = 0x1p90f;

// The same integers as by division, without a division: a product with the rounded reciprocal is off by two units in the
// last place at most, and each correction by its exact remainder halves the digits that are missing; the second one gives
// the rounded quotient (Markstein 1990). Values are cut before that, so that none of it overflows.
// Units of kDepthUnit values lie `step` bytes apart.
template <size_t step>
static void quantize_units(const float* x, size_t count, float scale, int32_t zero_point, uint8_t* record) {
  if (!(scale >= kLeastScale && scale <= kMostScale)) {
    for (size_t i = 0; i < count; i += kDepthUnit, record += step)
      ColumnFunctions::quantize(x + i, count - i < kDepthUnit ? count - i : kDepthUnit, scale, zero_point, record);
    return;
  }
  const __m512 divisor = _mm512_set1_ps(scale), inverse = _mm512_set1_ps(1.f / scale);
  const __m512 lowest = _mm512_set1_ps(float(-zero_point) * scale), highest = _mm512_set1_ps(float(255 - zero_point) * scale);
  const __m512i zero = _mm512_set1_epi16(int16_t(zero_point));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const auto integers = [&](size_t i) {
    const __m512 values = i + 16 <= count ? _mm512_loadu_ps(x + i) : Vectors::load_first(x + i, i < count ? count - i : 0);
    const __m512 v = Vectors::min(Vectors::max(values, lowest), highest);
    __m512 q = _mm512_mul_ps(v, inverse);
    q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, divisor, v), inverse, q);
    q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, divisor, v), inverse, q);
    return _mm512_cvtps_epi32(q);
  };
  for (size_t i = 0; i < count; i += kDepthUnit, record += step) {
    const __m512i a = _mm512_packs_epi32(integers(i), integers(i + 16));
    const __m512i b = _mm512_packs_epi32(integers(i + 32), integers(i + 48));
    // Four dwords of each vector have stayed together in a quarter.
    const __m512i bytes = _mm512_packus_epi16(_mm512_add_epi16(a, zero), _mm512_add_epi16(b, zero));
    _mm512_storeu_si512(record, _mm512_permutexvar_epi32(order, bytes));
  }
}

}  // namespace
}  // namespace dsvl2::avx512
