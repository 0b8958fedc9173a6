// Panels of weights, unpacked with AVX-512. Everything here is static: each file that includes it has its own, compiled
// with its own flags.
#pragma once
#include "avx512_vectors.h"
#include "blocks.h"

namespace dsvl2::avx512 {

DSVL2_INLINE __m512i low_halves(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi8(15)); }
DSVL2_INLINE __m512i high_halves(__m512i bytes) { return low_halves(_mm512_srli_epi16(bytes, 4)); }

// The last of `columns` rows stands for those beyond it, whose products nobody stores.
static inline size_t row_of(PanelRows panel, size_t i, size_t columns) { return panel.row(i < columns ? i : columns - 1); }

// Blocks [begin, end) of 32 rows to scratch: values as [block][low halves, high halves][groups of 4][32 rows][4], in 8 bit
// as [block][groups of 4][32 rows][4], scales as [block][32 rows]. Signed values have the zero point taken off.
template <bool Signed>
static void unpack(const Weights& w, PanelRows panel, size_t columns, const Layout& layout, size_t begin, size_t end, Panel* out) {
  const size_t block_bytes = layout.block * layout.bits / 8, groups = block_bytes / 4;
  const size_t bytes = (end - begin) * block_bytes;
  for (size_t half = 0; half < kPanel; half += 16) {
    const uint8_t *rows[16], *next[16];
    const float* scales[16];
    for (size_t i = 0; i < 16; ++i) {
      const size_t row = row_of(panel, half + i, columns);
      rows[i] = w.row(row) + begin * block_bytes;
      next[i] = unpacked_next(w, row, layout, end);
      scales[i] = w.scales + row * layout.blocks + begin;
    }
    for (size_t at = 0; at < bytes; at += 64) {
      const __mmask16 dwords = first_lanes(static_cast<long long>(bytes - at) / 4);
      __m512i r[16];
      DSVL2_UNROLL(16)
      for (int i = 0; i < 16; ++i) {
        _mm_prefetch(reinterpret_cast<const char*>(next[i] + at), _MM_HINT_T0);
        r[i] = _mm512_maskz_loadu_epi32(dwords, rows[i] + at);
      }
      transpose16(r);
      const size_t first = at / 4, count = bytes - at < 64 ? (bytes - at) / 4 : 16;
      for (size_t d = 0; d < count; ++d) {
        if (layout.bits == 8) {
          const __m512i values = Signed ? _mm512_xor_si512(r[d], _mm512_set1_epi8(-128)) : r[d];
          _mm512_store_si512(out->values + (first + d) * 4 * kPanel + half * 4, values);
        } else {
          const size_t group = (first + d) / groups * 2 * groups + (first + d) % groups;
          uint8_t* to = out->values + group * 4 * kPanel + half * 4;
          const __m512i zero_point = _mm512_set1_epi8(Signed ? 8 : 0);
          _mm512_store_si512(to, _mm512_sub_epi8(low_halves(r[d]), zero_point));
          _mm512_store_si512(to + groups * 4 * kPanel, _mm512_sub_epi8(high_halves(r[d]), zero_point));
        }
      }
    }
    for (size_t b = 0; b < end - begin; b += 16) {
      const __mmask16 lanes = first_lanes(static_cast<long long>(end - begin - b));
      __m512i r[16];
      DSVL2_UNROLL(16)
      for (int i = 0; i < 16; ++i) r[i] = _mm512_maskz_loadu_epi32(lanes, scales[i] + b);
      transpose16(r);
      const size_t count = end - begin - b < 16 ? end - begin - b : 16;
      for (size_t i = 0; i < count; ++i) _mm512_store_si512(out->scales + (b + i) * kPanel + half, r[i]);
    }
  }
}

}  // namespace dsvl2::avx512
