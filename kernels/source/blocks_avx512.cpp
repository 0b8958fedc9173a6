// Block products with AVX-512 and VNNI. Compiled with those instructions; nothing here runs before levels.cpp has found
// that the processor has them.
#include <cmath>
#include <cstring>

#include "avx512_panels.h"
#include "blocks.h"

namespace dsvl2::avx512 {
namespace {

constexpr size_t kTile = 6;  // records at a time: 12 sums of integers and 12 of fp32 in the 32 registers

// ---------------------------------------------------------------------------------------------------- activations

void quantize(const float* x, size_t count, const Layout& layout, size_t first_block, uint8_t* record) {
  auto* scales = reinterpret_cast<float*>(record + layout.scales);
  auto* starts = reinterpret_cast<int32_t*>(record + layout.starts);
  const int32_t zero_point = layout.bits == 4 ? 8 : 128;
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  alignas(64) int8_t ordered[kLargestBlock];
  for (size_t b = first_block, begin = 0; begin < count; ++b, begin += layout.block) {
    const size_t here = count - begin < layout.block ? count - begin : layout.block;
    // Magnitudes compare like integers, and what is not finite is above everything else.
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < here; i += 16)
      most = _mm512_max_epi32(most, _mm512_and_si512(magnitude, _mm512_castps_si512(_mm512_maskz_loadu_ps(
                                                                    first_lanes(here - i), x + begin + i))));
    const int32_t bits = _mm512_reduce_max_epi32(most);
    float largest;
    std::memcpy(&largest, &bits, sizeof largest);
    const bool finite = bits < 0x7f800000, zero = !finite || largest < kSmallestBlockMaximum;
    const __m512 inverse = _mm512_set1_ps(zero ? 0.f : 127.f / largest);
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < layout.block; i += 16) {
      const __mmask16 lanes = zero ? __mmask16(0) : first_lanes(static_cast<long long>(here) - static_cast<long long>(i));
      const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + begin + (lanes ? i : 0)), inverse));
      sum = _mm512_add_epi32(sum, v);
      _mm_store_si128(reinterpret_cast<__m128i*>(ordered + i), _mm512_cvtepi32_epi8(v));
    }
    if (layout.bits == 8) {
      std::memcpy(record + b * layout.block, ordered, layout.block);
    } else {
      for (size_t i = 0; i < layout.block; i += 16) {
        const __m128i pairs = _mm_load_si128(reinterpret_cast<const __m128i*>(ordered + i));
        uint8_t* to = record + (b * layout.block + i) / 2;
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_cvtepi16_epi8(pairs));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to + layout.odd), _mm_cvtepi16_epi8(_mm_srli_epi16(pairs, 8)));
      }
    }
    scales[b] = !finite ? NAN : zero ? 0.f : largest / 127.f;
    starts[b] = -zero_point * _mm512_reduce_add_epi32(sum);
  }
}

// ------------------------------------------------------------------------------------------------------- panels

// R records times an unpacked chunk; what c holds is added to unless `fresh`. G is the number of groups of a block and
// half, where it is known when this is compiled.
template <int R, size_t G>
void tile(const Panel* panel, const Layout& layout, size_t begin, size_t end, const uint8_t* const* records, float* c,
          size_t ldc, __mmask16 left, __mmask16 right, bool fresh) {
  const size_t halves = layout.bits == 4 ? 2 : 1, groups = G ? G : layout.block / 4 / halves;
  __m512 f[R][2];
  DSVL2_UNROLL(8)
  for (int i = 0; i < R; ++i) {
    f[i][0] = fresh ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(left, c + i * ldc);
    f[i][1] = fresh ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(right, c + i * ldc + 16);
  }
  const uint8_t* w = panel->values;
  const float* s = panel->scales;
  for (size_t b = begin; b < end; ++b, s += kPanel) {
    __m512i sums[R][2];
    DSVL2_UNROLL(8)
    for (int i = 0; i < R; ++i) {
      int32_t start;
      std::memcpy(&start, records[i] + layout.starts + b * 4, 4);
      sums[i][0] = sums[i][1] = _mm512_set1_epi32(start);
    }
    size_t at = b * groups * 4;
    for (size_t half = 0; half < halves; ++half, at += layout.odd) {
      DSVL2_UNROLL(16)
      for (size_t g = 0; g < groups; ++g, w += 4 * kPanel) {
        const __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 64);
        DSVL2_UNROLL(8)
        for (int i = 0; i < R; ++i) {
          int32_t four;
          std::memcpy(&four, records[i] + at + g * 4, 4);
          const __m512i a = _mm512_set1_epi32(four);
          sums[i][0] = _mm512_dpbusd_epi32(sums[i][0], w0, a);
          sums[i][1] = _mm512_dpbusd_epi32(sums[i][1], w1, a);
        }
      }
    }
    const __m512 s0 = _mm512_load_ps(s), s1 = _mm512_load_ps(s + 16);
    DSVL2_UNROLL(8)
    for (int i = 0; i < R; ++i) {
      float scale;
      std::memcpy(&scale, records[i] + layout.scales + b * 4, 4);
      const __m512 a = _mm512_set1_ps(scale);
      f[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i][0]), _mm512_mul_ps(s0, a), f[i][0]);
      f[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i][1]), _mm512_mul_ps(s1, a), f[i][1]);
    }
  }
  DSVL2_UNROLL(8)
  for (int i = 0; i < R; ++i) {
    _mm512_mask_storeu_ps(c + i * ldc, left, f[i][0]);
    _mm512_mask_storeu_ps(c + i * ldc + 16, right, f[i][1]);
  }
}

using Tile = void (*)(const Panel*, const Layout&, size_t, size_t, const uint8_t* const*, float*, size_t, __mmask16, __mmask16,
                      bool);
template <size_t G>
constexpr Tile kTiles[kTile + 1] = {nullptr, tile<1, G>, tile<2, G>, tile<3, G>, tile<4, G>, tile<5, G>, tile<6, G>};

void panel_product(const Weights& w, PanelRows panel, const Layout& layout, const uint8_t* records, size_t count, float* c,
                   size_t ldc, size_t columns, Panel* scratch) {
  const size_t step = kChunkValues / layout.block, groups = layout.block / (layout.bits == 4 ? 8 : 4);
  const Tile* const tiles = groups == 8 ? kTiles<8> : groups == 16 ? kTiles<16> : kTiles<0>;
  const __mmask16 left = first_lanes(static_cast<long long>(columns)), right = first_lanes(static_cast<long long>(columns) - 16);
  for (size_t begin = 0; begin < layout.blocks; begin += step) {
    const size_t end = begin + step < layout.blocks ? begin + step : layout.blocks;
    unpack<false>(w, panel, columns, layout, begin, end, scratch);
    for (size_t first = 0; first < count; first += kTile) {
      const size_t n = count - first < kTile ? count - first : kTile;
      const uint8_t* at[kTile];
      for (size_t i = 0; i < n; ++i) at[i] = records + (first + i) * layout.stride;
      tiles[n](scratch, layout, begin, end, at, c + first * ldc, ldc, left, right, begin == 0);
    }
  }
}

// --------------------------------------------------------------------------------------------------------- rows

DSVL2_INLINE __m512i add_halves_of_pairs(__m512i a, __m512i b) {  // per 128 bits: a0 + a2, b0 + b2, a1 + a3, b1 + b3
  return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}
DSVL2_INLINE __m512i add_quarters(__m512i a, __m512i b, __m512i c, __m512i d) {  // per 128 bits: sums of a, b, c, d
  const __m512i x = add_halves_of_pairs(a, b), y = add_halves_of_pairs(c, d);
  return _mm512_add_epi32(_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
}
DSVL2_INLINE __m512i add_lanes(__m512i a, __m512i b) {  // 128-bit lanes: a0 + a1, a2 + a3, b0 + b1, b2 + b3
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

// Sums of 16 blocks of D dwords each in their order, from the products of D vectors.
template <size_t D>
DSVL2_INLINE __m512i block_sums(const __m512i* v) {
  if constexpr (D == 2) {
    const auto part = [&](int select) {
      return select ? _mm512_shuffle_ps(_mm512_castsi512_ps(v[0]), _mm512_castsi512_ps(v[1]), 0xdd)
                    : _mm512_shuffle_ps(_mm512_castsi512_ps(v[0]), _mm512_castsi512_ps(v[1]), 0x88);
    };
    const __m512i sums = _mm512_add_epi32(_mm512_castps_si512(part(0)), _mm512_castps_si512(part(1)));
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15), sums);
  } else if constexpr (D == 4) {
    const __m512i sums = add_quarters(v[0], v[1], v[2], v[3]);
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), sums);
  } else if constexpr (D == 8) {
    const __m512i sums = add_lanes(add_quarters(v[0], v[1], v[2], v[3]), add_quarters(v[4], v[5], v[6], v[7]));
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15), sums);
  } else {
    return add_lanes(add_lanes(add_quarters(v[0], v[1], v[2], v[3]), add_quarters(v[4], v[5], v[6], v[7])),
                     add_lanes(add_quarters(v[8], v[9], v[10], v[11]), add_quarters(v[12], v[13], v[14], v[15])));
  }
}

// Bytes of a row of weights, apart where two values share one.
template <size_t Bits>
struct Bytes {
  __m512i low, high;

  DSVL2_INLINE void load(const uint8_t* row, __mmask16 dwords) {
    const __m512i w = _mm512_maskz_loadu_epi32(dwords, row);
    low = Bits == 8 ? w : low_halves(w);
    if constexpr (Bits == 4) high = high_halves(w);
  }
  DSVL2_INLINE __m512i times(const uint8_t* record, size_t odd, __mmask16 dwords) const {
    const __m512i product = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low, _mm512_maskz_loadu_epi32(dwords, record));
    if constexpr (Bits == 8) return product;
    return _mm512_dpbusd_epi32(product, high, _mm512_maskz_loadu_epi32(dwords, record + odd));
  }
};

// One row of weights times some records; D dwords to a block, at most 16, of which a longer block has `parts`.
template <size_t Bits, size_t D>
void one_row(const uint8_t* row, const float* weight_scales, const Layout& layout, const uint8_t* const* records, size_t count,
             size_t parts, float* y, size_t ldy) {
  __m512 lanes[kFewRows];
  for (size_t r = 0; r < count; ++r) lanes[r] = _mm512_setzero_ps();
  for (size_t first = 0; first < layout.blocks; first += kLanes) {
    const size_t here = layout.blocks - first < kLanes ? layout.blocks - first : kLanes;
    const size_t at = first * D * parts * 4;
    const auto dwords = static_cast<long long>(here * D * parts);
    const __m512 weights = _mm512_maskz_loadu_ps(first_lanes(static_cast<long long>(here)), weight_scales + first);
    const auto add = [&](size_t r, const __m512i* v) __attribute__((always_inline)) {
      const __m512i sums = _mm512_add_epi32(block_sums<D>(v), _mm512_loadu_si512(records[r] + layout.starts + first * 4));
      const __m512 factor = _mm512_mul_ps(weights, _mm512_loadu_ps(records[r] + layout.scales + first * 4));
      lanes[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), factor, lanes[r]);
    };
    __m512i v[D];
    const auto multiply = [&](const auto& mask) __attribute__((always_inline)) {
      Bytes<Bits> bytes[D];
      DSVL2_UNROLL(16)
      for (size_t j = 0; j < D; ++j) _mm_prefetch(reinterpret_cast<const char*>(row + at + 64 * j + kAhead), _MM_HINT_T0);
      DSVL2_UNROLL(16)
      for (size_t j = 0; j < D; ++j) bytes[j].load(row + at + 64 * j, mask(j));
      for (size_t r = 0; r < count; ++r) {
        DSVL2_UNROLL(16)
        for (size_t j = 0; j < D; ++j) v[j] = bytes[j].times(records[r] + at + 64 * j, layout.odd, mask(j));
        add(r, v);
      }
    };
    if (parts == 1) {
      if (here == kLanes) multiply([](size_t) { return __mmask16(0xffff); });
      else multiply([&](size_t j) { return first_lanes(dwords - static_cast<long long>(16 * j)); });
      continue;
    }
    for (size_t r = 0; r < count; ++r) {
      for (size_t j = 0; j < D; ++j) {
        v[j] = _mm512_setzero_si512();
        for (size_t p = 0; p < parts; ++p) {  // blocks of more than 64 bytes have a vector for each 64
          const size_t vector = j * parts + p;
          const __mmask16 mask = first_lanes(dwords - static_cast<long long>(16 * vector));
          const size_t offset = mask ? at + 64 * vector : 0;
          Bytes<Bits> bytes;
          bytes.load(row + offset, mask);
          v[j] = _mm512_add_epi32(v[j], bytes.times(records[r] + offset, layout.odd, mask));
        }
      }
      add(r, v);
    }
  }
  for (size_t r = 0; r < count; ++r) y[r * ldy] = sum_lanes(lanes[r]);
}

using OneRow = void (*)(const uint8_t*, const float*, const Layout&, const uint8_t* const*, size_t, size_t, float*, size_t);

OneRow one_row_for(size_t bits, size_t dwords) {
  if (bits == 8) return dwords == 4 ? one_row<8, 4> : dwords == 8 ? one_row<8, 8> : one_row<8, 16>;
  return dwords == 2 ? one_row<4, 2> : dwords == 4 ? one_row<4, 4> : dwords == 8 ? one_row<4, 8> : one_row<4, 16>;
}

void row_products(const Weights& w, size_t first, size_t count, const Layout& layout, const uint8_t* const* records,
                  size_t record_count, float* y, size_t ldy) {
  const size_t dwords = layout.block * layout.bits / 32, parts = dwords > 16 ? dwords / 16 : 1;
  const OneRow multiply = one_row_for(layout.bits, dwords);
  in_two_streams(count, [&](size_t n) {
    multiply(w.row(first + n), w.scales + (first + n) * layout.blocks, layout, records, record_count, parts, y + n, ldy);
  });
}

// ------------------------------------------------------------------------------------------------------ SwiGLU

DSVL2_INLINE __m512 exp_of(__m512 x) {
  using namespace exponential;
  x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(kLowest)), _mm512_set1_ps(kHighest));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(kLog2e)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLog2High), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLog2Low), r);
  __m512 p = _mm512_set1_ps(kPolynomial[0]);
  DSVL2_UNROLL(5)
  for (int i = 1; i < 6; ++i) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kPolynomial[i]));
  p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.f)));
  return _mm512_scalef_ps(p, n);
}

void swiglu(const float* gate, const float* up, size_t count, float* out) {
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = first_lanes(static_cast<long long>(count - i));
    const __m512 g = _mm512_maskz_loadu_ps(lanes, gate + i), u = _mm512_maskz_loadu_ps(lanes, up + i);
    const __m512 e = exp_of(_mm512_sub_ps(_mm512_setzero_ps(), g));
    _mm512_mask_storeu_ps(out + i, lanes, _mm512_div_ps(_mm512_mul_ps(g, u), _mm512_add_ps(e, _mm512_set1_ps(1.f))));
  }
}

void add_scaled(const float* x, float f, size_t count, float* y) {
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = first_lanes(static_cast<long long>(count - i));
    const __m512 sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, x + i), _mm512_set1_ps(f), _mm512_maskz_loadu_ps(lanes, y + i));
    _mm512_mask_storeu_ps(y + i, lanes, sum);
  }
}

}  // namespace

const BlockKernels kBlocks = {quantize, panel_product, row_products, swiglu, add_scaled};

}  // namespace dsvl2::avx512
