// `row_products` with 256-bit vectors: rows of weights times one record or a few, with the weights' bytes as they come.
//
// All loops over blocks, vectors and records of a step are known when this is compiled; those that are not took half of
// the time.
#pragma once
#include "blocks.h"
#include "vectors_256.h"

namespace dsvl2 {
namespace {

// Lanes 0 to 7 in `a` and 8 to 15 in `b`, in the order that blocks.h promises.
DSVL2_INLINE float sum_lanes(__m256 a, __m256 b) {
  a = _mm256_add_ps(a, b);
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps(d, d, 1)));
}

// 32 bytes of a row of weights, or the first of them.
DSVL2_INLINE __m256i load_dwords(const uint8_t* row, size_t dwords) {
  return dwords >= 8 ? load(row)
                     : _mm256_maskload_epi32(reinterpret_cast<const int*>(row), first_lanes(static_cast<long long>(dwords)));
}

// 32 bytes of a row of weights in 4 bit times their activations: 16 sums, at most 7620 each.
DSVL2_INLINE __m256i products_in_16_bits(__m256i w, const uint8_t* record, size_t odd) {
  return _mm256_add_epi16(_mm256_maddubs_epi16(low_halves(w), load(record)),
                          _mm256_maddubs_epi16(high_halves(w), load(record + odd)));
}

// 32 bytes of a row of weights times their activations: 8 sums.
template <size_t Bits>
DSVL2_INLINE __m256i products(__m256i w, const uint8_t* record, size_t odd) {
  if constexpr (kVnni) {
    const __m256i zero = _mm256_setzero_si256();
    if constexpr (Bits == 8) return dot(zero, w, load(record));
    return dot(dot(zero, low_halves(w), load(record)), high_halves(w), load(record + odd));
  } else if constexpr (Bits == 8) {
    w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
    return to_32_bits(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(load(record), w)));
  }
  return to_32_bits(products_in_16_bits(w, record, odd));
}

// The first four of 8 blocks and the last four, each in both halves of a vector.
DSVL2_INLINE __m256i sum_quarters(__m256i first, __m256i last) {
  return _mm256_add_epi32(_mm256_permute2x128_si256(first, last, 0x20), _mm256_permute2x128_si256(first, last, 0x31));
}

// Sums of 8 blocks of D dwords each in their order, from the products of D vectors.
template <size_t D>
DSVL2_INLINE __m256i block_sums(const __m256i* v) {
  if constexpr (D == 2) {
    return _mm256_permutevar8x32_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7));
  } else if constexpr (D == 4) {
    const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    return _mm256_permutevar8x32_epi32(sums, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  } else {
    return sum_quarters(_mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3])),
                        _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7])));
  }
}

// Four vectors of 16-bit sums to one of 32 bits: four sums in each half, which stay in 16 bits as long as they fit.
DSVL2_INLINE __m256i quarter(const __m256i* v) {
  const __m256i a = _mm256_add_epi16(_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[0], v[1]));
  const __m256i b = _mm256_add_epi16(_mm256_unpacklo_epi32(v[2], v[3]), _mm256_unpackhi_epi32(v[2], v[3]));
  return to_32_bits(_mm256_add_epi16(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)));
}

// For each of R records the sums of the first `here` of 8 blocks, of D * P dwords each, zeros behind them.
template <size_t Bits, size_t D, size_t P, size_t R>
DSVL2_INLINE void eight_sums(const uint8_t* row, const uint8_t* const* records, size_t at, size_t odd, size_t here,
                             __m256i* sums) {
  if constexpr (!kVnni && Bits == 4 && D == 8 && P == 1) {
    if (here == 8) {
      __m256i quarters[R][2];
      DSVL2_UNROLL(2)
      for (size_t i = 0; i < 2; ++i) {
        __m256i v[R][4];
        DSVL2_UNROLL(4)
        for (size_t j = 0; j < 4; ++j) {
          const size_t offset = at + (i * 4 + j) * 32;
          const __m256i w = load(row + offset);
          DSVL2_UNROLL(2)
          for (size_t r = 0; r < R; ++r) v[r][j] = products_in_16_bits(w, records[r] + offset, odd);
        }
        DSVL2_UNROLL(2)
        for (size_t r = 0; r < R; ++r) quarters[r][i] = quarter(v[r]);
      }
      DSVL2_UNROLL(2)
      for (size_t r = 0; r < R; ++r) sums[r] = sum_quarters(quarters[r][0], quarters[r][1]);
      return;
    }
  }
  const size_t dwords = here * D * P;
  __m256i v[R][D];
  DSVL2_UNROLL(8)
  for (size_t j = 0; j < D; ++j) {
    DSVL2_UNROLL(2)
    for (size_t r = 0; r < R; ++r) v[r][j] = _mm256_setzero_si256();
    DSVL2_UNROLL(2)
    for (size_t vector = j * P; vector < (j + 1) * P; ++vector) {
      if (here < 8 && vector * 8 >= dwords) continue;
      const size_t offset = at + 32 * vector;
      const __m256i w = load_dwords(row + offset, here < 8 ? dwords - vector * 8 : 8);
      DSVL2_UNROLL(2)
      for (size_t r = 0; r < R; ++r) v[r][j] = _mm256_add_epi32(v[r][j], products<Bits>(w, records[r] + offset, odd));
    }
  }
  DSVL2_UNROLL(2)
  for (size_t r = 0; r < R; ++r) sums[r] = block_sums<D>(v[r]);
}

// One row times R records; a block has D * P dwords.
template <size_t Bits, size_t D, size_t P, size_t R>
DSVL2_INLINE void row_times(const uint8_t* row, const float* weight_scales, const Layout& layout, const uint8_t* const* records,
                            float* y, size_t ldy) {
  __m256 lanes[R][2];
  for (size_t r = 0; r < R; ++r) lanes[r][0] = lanes[r][1] = _mm256_setzero_ps();
  for (size_t first = 0; first < layout.blocks; first += 8) {
    const size_t here = layout.blocks - first < 8 ? layout.blocks - first : 8, at = first * D * P * 4;
    for (size_t byte = 0; byte < here * D * P * 4; byte += 64)
      _mm_prefetch(reinterpret_cast<const char*>(row + at + byte + kAhead), _MM_HINT_T0);
    __m256i sums[R];
    if (here == 8)
      eight_sums<Bits, D, P, R>(row, records, at, layout.odd, 8, sums);
    else
      eight_sums<Bits, D, P, R>(row, records, at, layout.odd, here, sums);
    const __m256 weight_scale = load_first(weight_scales + first, here);
    DSVL2_UNROLL(2)
    for (size_t r = 0; r < R; ++r) {
      if constexpr (kVnni || Bits == 4) sums[r] = _mm256_add_epi32(sums[r], load(records[r] + layout.starts + first * 4));
      const auto* scales = reinterpret_cast<const float*>(records[r] + layout.scales);
      const __m256 factor = _mm256_mul_ps(weight_scale, _mm256_loadu_ps(scales + first));
      __m256& into = lanes[r][first / 8 % 2];
      into = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r]), factor, into);
    }
  }
  for (size_t r = 0; r < R; ++r) y[r * ldy] = sum_lanes(lanes[r][0], lanes[r][1]);
}

// Records in pairs, for which the halves of a weight's bytes are taken apart once.
template <size_t Bits, size_t D, size_t P>
void one_row(const uint8_t* row, const float* weight_scales, const Layout& layout, const uint8_t* const* records,
             size_t count, float* y, size_t ldy) {
  size_t r = 0;
  for (; r + 2 <= count; r += 2) row_times<Bits, D, P, 2>(row, weight_scales, layout, records + r, y + r * ldy, ldy);
  if (r < count) row_times<Bits, D, P, 1>(row, weight_scales, layout, records + r, y + r * ldy, ldy);
}

using OneRow = void (*)(const uint8_t*, const float*, const Layout&, const uint8_t* const*, size_t, float*, size_t);

template <size_t Bits>
OneRow one_row_of(size_t dwords) {
  switch (dwords) {  // of a block of 16, 32, .. 256 values
    case 2: return one_row<Bits, 2, 1>;
    case 4: return one_row<Bits, 4, 1>;
    case 8: return one_row<Bits, 8, 1>;
    case 16: return one_row<Bits, 8, 2>;
    case 32: return one_row<Bits, 8, 4>;
    default: return one_row<Bits, 8, 8>;
  }
}

void row_products(const Weights& w, size_t first, size_t count, const Layout& layout, const uint8_t* const* records,
                  size_t record_count, float* y, size_t ldy) {
  const size_t dwords = layout.block * layout.bits / 32;
  const OneRow multiply = layout.bits == 8 ? one_row_of<8>(dwords) : one_row_of<4>(dwords);
  in_two_streams(count, [&](size_t n) {
    multiply(w.row(first + n), w.scales + (first + n) * layout.blocks, layout, records, record_count, y + n, ldy);
  });
}

}  // namespace
}  // namespace dsvl2
