// Vectors that the AVX2 kernels of attention and of columns share.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "compiler.h"

namespace dsvl2::avx2 {
namespace {  // each file that includes this has its own

struct Vectors {
  using Vector = __m256;
  static constexpr size_t kWidth = 8, kVectors = 2, kTile = 6, kScoreRows = 4, kMixHeads = 8;

  static DSVL2_INLINE __m256i lanes(size_t n) {  // the first n of 8
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static DSVL2_INLINE Vector zero() { return _mm256_setzero_ps(); }
  static DSVL2_INLINE Vector set1(float x) { return _mm256_set1_ps(x); }
  static DSVL2_INLINE Vector load(const float* at) { return _mm256_loadu_ps(at); }
  static DSVL2_INLINE void store(float* at, Vector v) { _mm256_storeu_ps(at, v); }
  static DSVL2_INLINE Vector load_first(const float* at, size_t n) { return _mm256_maskload_ps(at, lanes(n)); }
  static DSVL2_INLINE void store_first(float* at, Vector v, size_t n) { _mm256_maskstore_ps(at, lanes(n), v); }
  static DSVL2_INLINE Vector first_or(Vector v, size_t n, Vector otherwise) {
    return _mm256_blendv_ps(otherwise, v, _mm256_castsi256_ps(lanes(n)));
  }
  static DSVL2_INLINE Vector load_int8(const int8_t* at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
  }
  static DSVL2_INLINE Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static DSVL2_INLINE Vector sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static DSVL2_INLINE Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static DSVL2_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static DSVL2_INLINE Vector max(Vector a, Vector b) { return _mm256_max_ps(b, a); }  // of a NaN in `a`: NaN
  static DSVL2_INLINE Vector min(Vector a, Vector b) { return _mm256_min_ps(b, a); }
  static DSVL2_INLINE Vector div(Vector a, Vector b) { return _mm256_div_ps(a, b); }
  static DSVL2_INLINE Vector from_sum(const int32_t* a, const int32_t* b) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
    return _mm256_cvtepi32_ps(_mm256_add_epi32(x, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b))));
  }
  static DSVL2_INLINE Vector round(Vector x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static DSVL2_INLINE Vector times_power(Vector p, Vector n) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    // n of a NaN makes a wild exponent; p is a NaN then and stays one.
    return _mm256_mul_ps(p, _mm256_castsi256_ps(exponent));
  }
  static DSVL2_INLINE float largest(Vector v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
  }
  static DSVL2_INLINE float least(Vector v) { return -largest(_mm256_sub_ps(_mm256_setzero_ps(), v)); }
  static DSVL2_INLINE float total_of_16(const Vector* v) { return total(_mm256_add_ps(v[0], v[1])); }
  static DSVL2_INLINE float total(Vector v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
  }
  static DSVL2_INLINE void transpose(Vector r[8]) {
    Vector t[8], u[8];
    DSVL2_UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    DSVL2_UNROLL(2)
    for (int i = 0; i < 2; ++i) {
      u[4 * i + 0] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
      u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
      u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
      u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    DSVL2_UNROLL(4)
    for (int j = 0; j < 4; ++j) {
      r[j] = _mm256_permute2f128_ps(u[j], u[4 + j], 0x20);
      r[4 + j] = _mm256_permute2f128_ps(u[j], u[4 + j], 0x31);
    }
  }
};

}  // namespace
}  // namespace dsvl2::avx2
