// Block products with 256-bit vectors, for the two files that include this: with AVX2 alone, and with AVX-VNNI, which
// multiplies unsigned by signed bytes and adds four of them in 32 bits (kVnni).
//
// Without it `vpmaddubsw` adds pairs in 16 bits: with 4-bit weights eight of its sums fit (8 * 2 * 15 * 127 = 30480), with
// 8-bit ones magnitudes are multiplied with activations that take the weight's sign (2 * 128 * 127 = 32512), so that
// nothing saturates.
//
// Everything lies in a namespace without a name: each file has its own, compiled with its own flags.
#include <immintrin.h>

#include <cmath>
#include <cstring>

#include "blocks.h"
#include "compiler.h"
#include "rows_256.h"
#include "vectors_256.h"

namespace dsvl2 {
namespace {

constexpr size_t kTile = kVnni ? 6 : 4;  // records at a time: sums of two vectors each, in 16 registers
constexpr size_t kSumsIn16Bits = 8;

// ---------------------------------------------------------------------------------------------------- activations

int32_t largest_magnitude(const float* x, size_t count) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i most = _mm256_setzero_si256();
  for (size_t i = 0; i < count; i += 8)
    most = _mm256_max_epi32(most, _mm256_and_si256(magnitude, _mm256_castps_si256(load_first(x + i, count - i))));
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}

void quantize(const float* x, size_t count, const Layout& layout, size_t first_block, uint8_t* record) {
  auto* scales = reinterpret_cast<float*>(record + layout.scales);
  auto* starts = reinterpret_cast<int32_t*>(record + layout.starts);
  const int32_t zero_point = layout.bits == 4 ? 8 : 128;
  alignas(32) int8_t ordered[kLargestBlock];
  for (size_t b = first_block, begin = 0; begin < count; ++b, begin += layout.block) {
    const size_t here = count - begin < layout.block ? count - begin : layout.block;
    const int32_t bits = largest_magnitude(x + begin, here);  // what is not finite is above everything else
    float largest;
    std::memcpy(&largest, &bits, sizeof largest);
    const bool finite = bits < 0x7f800000, zero = !finite || largest < kSmallestBlockMaximum;
    const __m256 inverse = _mm256_set1_ps(zero ? 0.f : 127.f / largest);
    __m256i sum = _mm256_setzero_si256();
    std::memset(ordered, 0, layout.block);
    for (size_t i = 0; i < here && !zero; i += 8) {
      const __m256i v = _mm256_cvtps_epi32(_mm256_mul_ps(load_first(x + begin + i, here - i), inverse));
      sum = _mm256_add_epi32(sum, v);
      const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(ordered + i), _mm_packs_epi16(words, words));
    }
    if (layout.bits == 8) {
      std::memcpy(record + b * layout.block, ordered, layout.block);
    } else {
      const __m128i apart = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
      for (size_t i = 0; i < layout.block; i += 16) {
        const __m128i v = _mm_shuffle_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(ordered + i)), apart);
        uint8_t* to = record + (b * layout.block + i) / 2;
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to), v);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to + layout.odd), _mm_unpackhi_epi64(v, v));
      }
    }
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    scales[b] = !finite ? NAN : zero ? 0.f : largest / 127.f;
    starts[b] = -zero_point * _mm_cvtsi128_si32(s);
  }
}

// ------------------------------------------------------------------------------------------------------- panels

DSVL2_INLINE void transpose8(__m256i r[8]) {  // 8 rows of 8 dwords to 8 columns
  __m256i t[8], u[8];
  DSVL2_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  DSVL2_UNROLL(2)
  for (int i = 0; i < 2; ++i) {
    u[4 * i + 0] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  DSVL2_UNROLL(4)
  for (int j = 0; j < 4; ++j) {
    r[j] = _mm256_permute2x128_si256(u[j], u[4 + j], 0x20);
    r[4 + j] = _mm256_permute2x128_si256(u[j], u[4 + j], 0x31);
  }
}

// Blocks [begin, end) of 32 rows: values as [block][low halves, high halves][groups of 4][32 rows][4], in 8 bit, minus 128
// without VNNI, as [block][groups of 4][32 rows][4], scales as [block][32 rows]. The last of `columns` rows stands for those beyond it.
void unpack(const Weights& w, PanelRows panel, size_t columns, const Layout& layout, size_t begin, size_t end, Panel* out) {
  const size_t block_bytes = layout.block * layout.bits / 8, groups = block_bytes / 4;
  const size_t bytes = (end - begin) * block_bytes;
  for (size_t eight = 0; eight < kPanel; eight += 8) {
    const uint8_t *rows[8], *next[8];
    const float* scales[8];
    for (size_t i = 0; i < 8; ++i) {
      const size_t row = panel.row(eight + i < columns ? eight + i : columns - 1);
      rows[i] = w.row(row) + begin * block_bytes;
      next[i] = unpacked_next(w, row, layout, end);
      scales[i] = w.scales + row * layout.blocks + begin;
    }
    for (size_t at = 0; at < bytes; at += 32) {
      const size_t count = bytes - at < 32 ? (bytes - at) / 4 : 8;
      __m256i r[8];
      for (size_t i = 0; i < 8; ++i) {
        if (at % 64 == 0) _mm_prefetch(reinterpret_cast<const char*>(next[i] + at), _MM_HINT_T0);
        r[i] = count == 8 ? load(rows[i] + at)
                          : _mm256_maskload_epi32(reinterpret_cast<const int*>(rows[i] + at), first_lanes(static_cast<long long>(count)));
      }
      transpose8(r);
      for (size_t d = 0; d < count; ++d) {
        const size_t dword = at / 4 + d;
        if (layout.bits == 8) {
          uint8_t* to = out->values + dword * 4 * kPanel + eight * 4;
          _mm256_store_si256(reinterpret_cast<__m256i*>(to), kVnni ? r[d] : _mm256_xor_si256(r[d], _mm256_set1_epi8(-128)));
        } else {
          uint8_t* to = out->values + (dword / groups * 2 * groups + dword % groups) * 4 * kPanel + eight * 4;
          _mm256_store_si256(reinterpret_cast<__m256i*>(to), low_halves(r[d]));
          _mm256_store_si256(reinterpret_cast<__m256i*>(to + groups * 4 * kPanel), high_halves(r[d]));
        }
      }
    }
    for (size_t b = 0; b < end - begin; ++b)
      for (size_t i = 0; i < 8; ++i) out->scales[b * kPanel + eight + i] = scales[i][b];
  }
}

DSVL2_INLINE __m256i four_bytes(const uint8_t* at) {
  int32_t four;
  std::memcpy(&four, at, 4);
  return _mm256_set1_epi32(four);
}

// R records times 16 columns, from `column` on, of an unpacked chunk. Sums of fp32 stay in memory, which leaves the
// registers to those of integers. G is the number of groups of a block and half, where it is known when this is compiled.
template <int R, size_t Bits, size_t G>
void tile(const Panel* panel, size_t column, const Layout& layout, size_t begin, size_t end, const uint8_t* const* records,
          float* c, size_t ldc) {
  const size_t halves = Bits == 4 ? 2 : 1, groups = G ? G : layout.block / 4 / halves;
  const uint8_t* w = panel->values + column * 4;
  const float* s = panel->scales + column;
  for (size_t b = begin; b < end; ++b, s += kPanel) {
    __m256i sums[R][2];
    DSVL2_UNROLL(8)
    for (int i = 0; i < R; ++i) {
      int32_t start = 0;
      if (kVnni || Bits == 4) std::memcpy(&start, records[i] + layout.starts + b * 4, 4);
      sums[i][0] = sums[i][1] = _mm256_set1_epi32(start);
    }
    size_t at = b * groups * 4;
    for (size_t half = 0; half < halves; ++half, at += layout.odd) {
      for (size_t first = 0; first < groups; first += kSumsIn16Bits) {
        const size_t last = groups - first < kSumsIn16Bits ? groups : first + kSumsIn16Bits;
        __m256i short_sums[R][2];
        DSVL2_UNROLL(8)
        for (int i = 0; i < R; ++i) short_sums[i][0] = short_sums[i][1] = _mm256_setzero_si256();
        DSVL2_UNROLL(8)
        for (size_t g = first; g < last; ++g, w += 4 * kPanel) {
          const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
          const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32));
          DSVL2_UNROLL(8)
          for (int i = 0; i < R; ++i) {
            const __m256i a = four_bytes(records[i] + at + g * 4);
            if constexpr (kVnni) {
              sums[i][0] = dot(sums[i][0], w0, a);
              sums[i][1] = dot(sums[i][1], w1, a);
            } else if constexpr (Bits == 4) {
              short_sums[i][0] = _mm256_add_epi16(short_sums[i][0], _mm256_maddubs_epi16(w0, a));
              short_sums[i][1] = _mm256_add_epi16(short_sums[i][1], _mm256_maddubs_epi16(w1, a));
              DSVL2_SETTLE(short_sums[i][0], short_sums[i][1]);
            } else {
              const __m256i p0 = _mm256_maddubs_epi16(_mm256_abs_epi8(w0), _mm256_sign_epi8(a, w0));
              const __m256i p1 = _mm256_maddubs_epi16(_mm256_abs_epi8(w1), _mm256_sign_epi8(a, w1));
              sums[i][0] = _mm256_add_epi32(sums[i][0], to_32_bits(p0));
              sums[i][1] = _mm256_add_epi32(sums[i][1], to_32_bits(p1));
              DSVL2_SETTLE(sums[i][0], sums[i][1]);
            }
          }
        }
        if constexpr (!kVnni && Bits == 4) {
          DSVL2_UNROLL(8)
          for (int i = 0; i < R; ++i)
            for (int j = 0; j < 2; ++j) sums[i][j] = _mm256_add_epi32(sums[i][j], to_32_bits(short_sums[i][j]));
        }
      }
    }
    DSVL2_UNROLL(8)
    for (int i = 0; i < R; ++i) {
      float scale;
      std::memcpy(&scale, records[i] + layout.scales + b * 4, 4);
      const __m256 a = _mm256_set1_ps(scale);
      for (int j = 0; j < 2; ++j) {
        float* const at_c = c + i * ldc + 8 * j;
        const __m256 factor = _mm256_mul_ps(_mm256_load_ps(s + 8 * j), a);
        _mm256_storeu_ps(at_c, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i][j]), factor, _mm256_loadu_ps(at_c)));
      }
    }
  }
}

using Tile = void (*)(const Panel*, size_t, const Layout&, size_t, size_t, const uint8_t* const*, float*, size_t);
template <size_t Bits, size_t G>
constexpr Tile kTiles[7] = {nullptr,          tile<1, Bits, G>, tile<2, Bits, G>, tile<3, Bits, G>,
                            tile<4, Bits, G>, tile<5, Bits, G>, tile<6, Bits, G>};

void panel_product(const Weights& w, PanelRows panel, const Layout& layout, const uint8_t* records, size_t count, float* c,
                   size_t ldc, size_t columns, Panel* scratch) {
  const size_t step = kChunkValues / layout.block, groups = layout.block / (layout.bits == 4 ? 8 : 4);
  const Tile* const tiles = layout.bits == 4 ? (groups == 8 ? kTiles<4, 8> : kTiles<4, 0>)
                                             : (groups == 16 ? kTiles<8, 16> : kTiles<8, 0>);
  for (size_t begin = 0; begin < layout.blocks; begin += step) {
    const size_t end = begin + step < layout.blocks ? begin + step : layout.blocks;
    unpack(w, panel, columns, layout, begin, end, scratch);
    for (size_t first = 0; first < count; first += kTile) {
      const size_t n = count - first < kTile ? count - first : kTile;
      const uint8_t* at[kTile];
      for (size_t i = 0; i < n; ++i) at[i] = records + (first + i) * layout.stride;
      for (size_t column = 0; column < columns; column += 16) {
        float* const to = c + first * ldc + column;
        if (columns - column >= 16) {
          for (size_t i = 0; begin == 0 && i < n; ++i) std::memset(to + i * ldc, 0, 16 * sizeof(float));
          tiles[n](scratch, column, layout, begin, end, at, to, ldc);
          continue;
        }
        alignas(32) float whole[kTile * 16] = {};  // the last columns of a weight
        const size_t bytes = (columns - column) * sizeof(float);
        for (size_t i = 0; begin > 0 && i < n; ++i) std::memcpy(whole + i * 16, to + i * ldc, bytes);
        tiles[n](scratch, column, layout, begin, end, at, whole, 16);
        for (size_t i = 0; i < n; ++i) std::memcpy(to + i * ldc, whole + i * 16, bytes);
      }
    }
  }
}

// ------------------------------------------------------------------------------------------------------ SwiGLU

DSVL2_INLINE __m256 exp_of(__m256 x) {
  using namespace exponential;
  x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(kLowest)), _mm256_set1_ps(kHighest));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(kLog2e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLog2High), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLog2Low), r);
  __m256 p = _mm256_set1_ps(kPolynomial[0]);
  DSVL2_UNROLL(5)
  for (int i = 1; i < 6; ++i) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kPolynomial[i]));
  p = _mm256_fmadd_ps(_mm256_mul_ps(p, r), r, _mm256_add_ps(r, _mm256_set1_ps(1.f)));
  const __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(exponent));
}

void swiglu(const float* gate, const float* up, size_t count, float* out) {
  for (size_t i = 0; i < count; i += 8) {
    const __m256 g = load_first(gate + i, count - i), u = load_first(up + i, count - i);
    const __m256 e = exp_of(_mm256_sub_ps(_mm256_setzero_ps(), g));
    _mm256_maskstore_ps(out + i, first_lanes(static_cast<long long>(count - i)),
                        _mm256_div_ps(_mm256_mul_ps(g, u), _mm256_add_ps(e, _mm256_set1_ps(1.f))));
  }
}

void add_scaled(const float* x, float f, size_t count, float* y) {
  for (size_t i = 0; i < count; i += 8) {
    const __m256 sum = _mm256_fmadd_ps(load_first(x + i, count - i), _mm256_set1_ps(f), load_first(y + i, count - i));
    _mm256_maskstore_ps(y + i, first_lanes(static_cast<long long>(count - i)), sum);
  }
}

constexpr BlockKernels kKernels = {quantize, panel_product, row_products, swiglu, add_scaled};

}  // namespace
}  // namespace dsvl2
