// What block products with 256-bit vectors share; with AVX-VNNI (kVnni) and without.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "compiler.h"

namespace dsvl2 {
namespace {

#if defined(DSVL2_AVX_VNNI)
constexpr bool kVnni = true;
#else
constexpr bool kVnni = false;
#endif

DSVL2_INLINE __m256i dot([[maybe_unused]] __m256i sums, [[maybe_unused]] __m256i w, [[maybe_unused]] __m256i a) {
#if defined(DSVL2_AVX_VNNI)
  return _mm256_dpbusd_avx_epi32(sums, w, a);
#else
  return sums;  // never called
#endif
}
DSVL2_INLINE __m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
DSVL2_INLINE __m256i low_halves(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }
DSVL2_INLINE __m256i high_halves(__m256i bytes) { return low_halves(_mm256_srli_epi16(bytes, 4)); }
DSVL2_INLINE __m256i to_32_bits(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

// The first n of 8 lanes, as maskload and maskstore take them.
DSVL2_INLINE __m256i first_lanes(long long n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > 8 ? 8 : n < 0 ? 0 : int(n)), lane);
}
DSVL2_INLINE __m256 load_first(const float* at, size_t n) {
  return n >= 8 ? _mm256_loadu_ps(at) : _mm256_maskload_ps(at, first_lanes(static_cast<long long>(n)));
}

}  // namespace
}  // namespace dsvl2
