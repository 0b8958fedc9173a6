// Attention with AVX-512.
#include "attention_kernels.h"
#include "avx512_vectors.h"

namespace dsvl2::avx512 {
namespace {

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
  static DSVL2_INLINE Vector round(Vector x) { return _mm512_roundscale_ps(x, 0); }
  static DSVL2_INLINE Vector times_power(Vector p, Vector n) { return _mm512_scalef_ps(p, n); }
  static DSVL2_INLINE float largest(Vector v) { return _mm512_reduce_max_ps(v); }
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

const AttentionKernels kAttention = Attention<Vectors>::kernels();

}  // namespace dsvl2::avx512
