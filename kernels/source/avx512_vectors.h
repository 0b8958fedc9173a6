// Small pieces that the AVX-512 kernels share.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "compiler.h"

namespace dsvl2::avx512 {

// The first n of 16 lanes; n may be below 0 or above 16.
DSVL2_INLINE __mmask16 first_lanes(long long n) {
  return n >= 16 ? __mmask16(0xffff) : n <= 0 ? __mmask16(0) : __mmask16((1u << n) - 1);
}

// 16 rows of 16 dwords to 16 columns.
DSVL2_INLINE void transpose16(__m512i r[16]) {
  __m512i t[16];
  DSVL2_UNROLL(8)
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  __m512i u[16];
  DSVL2_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    u[4 * i + 0] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    u[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  // 128-bit lane l of u[4 i + j] holds column 4 l + j of the rows 4 i to 4 i + 3.
  DSVL2_UNROLL(4)
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(u[j], u[4 + j], 0x88), b = _mm512_shuffle_i32x4(u[j], u[4 + j], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0x88), d = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0xdd);
    r[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    r[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    r[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
    r[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
}

// Lanes i and i + 8, i + 4, i + 2, i + 1: the order of sums that blocks.h promises.
DSVL2_INLINE float sum_lanes(__m512 v) {
  const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}

namespace {  // each file that includes this has its own

struct Vectors {
  using Vector = __m512;
  static constexpr size_t kWidth = 16, kVectors = 4, kTile = 6, kScoreRows = 16, kMixHeads = 16;

  static DSVL2_INLINE Vector zero() { return _mm512_setzero_ps(); }
  static DSVL2_INLINE Vector set1(float x) { return _mm512_set1_ps(x); }
  static DSVL2_INLINE Vector load(const float* at) { return _mm512_loadu_ps(at); }
  static DSVL2_INLINE void store(float* at, Vector v) { _mm512_storeu_ps(at, v); }
  static DSVL2_INLINE Vector load_first(const float* at, size_t n) {
    return _mm512_maskz_loadu_ps(first_lanes(static_cast<long long>(n)), at);
  }
  static DSVL2_INLINE void store_first(float* at, Vector v, size_t n) {
    _mm512_mask_storeu_ps(at, first_lanes(static_cast<long long>(n)), v);
  }
  static DSVL2_INLINE Vector first_or(Vector v, size_t n, Vector otherwise) {
    return _mm512_mask_mov_ps(otherwise, first_lanes(static_cast<long long>(n)), v);
  }
  static DSVL2_INLINE Vector load_int8(const int8_t* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  }
  static DSVL2_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static DSVL2_INLINE Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static DSVL2_INLINE Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static DSVL2_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static DSVL2_INLINE Vector max(Vector a, Vector b) { return _mm512_max_ps(b, a); }  // of a NaN in `a`: NaN
  static DSVL2_INLINE Vector min(Vector a, Vector b) { return _mm512_min_ps(b, a); }
  static DSVL2_INLINE Vector div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
  static DSVL2_INLINE Vector from_sum(const int32_t* a, const int32_t* b) {
    return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_loadu_si512(a), _mm512_loadu_si512(b)));
  }
  static DSVL2_INLINE Vector round(Vector x) { return _mm512_roundscale_ps(x, 0); }
  static DSVL2_INLINE Vector times_power(Vector p, Vector n) { return _mm512_scalef_ps(p, n); }
  static DSVL2_INLINE float largest(Vector v) { return _mm512_reduce_max_ps(v); }
  static DSVL2_INLINE float least(Vector v) { return _mm512_reduce_min_ps(v); }
  static DSVL2_INLINE float total_of_16(const Vector* v) { return sum_lanes(v[0]); }
  static DSVL2_INLINE float total(Vector v) { return sum_lanes(v); }
  static DSVL2_INLINE void transpose(Vector r[16]) {
    __m512i t[16];
    DSVL2_UNROLL(16)
    for (int i = 0; i < 16; ++i) t[i] = _mm512_castps_si512(r[i]);
    transpose16(t);
    DSVL2_UNROLL(16)
    for (int i = 0; i < 16; ++i) r[i] = _mm512_castsi512_ps(t[i]);
  }
};

}  // namespace
}  // namespace dsvl2::avx512
