// Products with int8 columns with AVX-512 and VNNI.
#include <cmath>

#include "avx512_vectors.h"
#include "column_kernels.h"

namespace dsvl2::avx512 {
namespace {

struct ColumnVectors : Vectors {
  static constexpr size_t kValueBytes = 1;
  static DSVL2_INLINE float square_root(float x) { return std::sqrt(x); }
  static DSVL2_INLINE void store_integers(uint8_t* at, Vector v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
  }
};

constexpr size_t kTile = 6;          // records at a time: 24 sums, 4 weights and an activation in the 32 registers
constexpr size_t kChunkDepth = 512;  // of a panel at a time: 32 KB, in the first cache
constexpr size_t kChunkRows = 48;    // that pass over a chunk
constexpr size_t kGroup = 4 * kColumns;  // bytes of four rows of a weight, a column's four together

// Bytes of 4 rows become groups of 4 from one column each.
void pack(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums) {
  const __mmask64 lanes = columns >= 64 ? ~__mmask64(0) : (__mmask64(1) << columns) - 1;
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i totals[4] = {};
  const size_t padded = round_up(w.depth, kDepthUnit);
  for (size_t k = 0; k < padded; k += 4, panel += kGroup) {
    __m512i r[4];
    DSVL2_UNROLL(4)
    for (size_t i = 0; i < 4; ++i) {
      const int8_t* const at = w.values + (k + i) * w.width + first;
      r[i] = k + i < w.depth ? _mm512_maskz_loadu_epi8(lanes, at) : _mm512_setzero_si512();
      _mm_prefetch(reinterpret_cast<const char*>(at + 24 * w.width), _MM_HINT_T0);  // rows lie on pages of their own
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
      _mm512_store_si512(panel + j * 64, out[j]);
      totals[j] = _mm512_dpbusd_epi32(totals[j], ones, out[j]);
    }
  }
  for (size_t j = 0; j < 4; ++j) _mm512_storeu_si512(sums + j * 16, totals[j]);
}

template <size_t R>
void tile(const uint8_t* panel, size_t groups, const uint8_t* records, size_t stride, int32_t* sums, bool fresh) {
  __m512i s[R][4];
  DSVL2_UNROLL(8)
  for (size_t i = 0; i < R; ++i)
    DSVL2_UNROLL(4)
    for (size_t j = 0; j < 4; ++j)
      s[i][j] = fresh ? _mm512_setzero_si512() : _mm512_loadu_si512(sums + i * kColumns + j * 16);
  for (size_t g = 0; g < groups; ++g, panel += kGroup, records += 4) {
    __m512i w[4];
    DSVL2_UNROLL(4)
    for (size_t j = 0; j < 4; ++j) w[j] = _mm512_load_si512(panel + j * 64);
    DSVL2_UNROLL(8)
    for (size_t i = 0; i < R; ++i) {
      int32_t four;
      std::memcpy(&four, records + i * stride, 4);
      const __m512i a = _mm512_set1_epi32(four);
      DSVL2_UNROLL(4)
      for (size_t j = 0; j < 4; ++j) s[i][j] = _mm512_dpbusd_epi32(s[i][j], a, w[j]);
    }
  }
  DSVL2_UNROLL(8)
  for (size_t i = 0; i < R; ++i)
    DSVL2_UNROLL(4)
    for (size_t j = 0; j < 4; ++j) _mm512_storeu_si512(sums + i * kColumns + j * 16, s[i][j]);
}

using Tile = void (*)(const uint8_t*, size_t, const uint8_t*, size_t, int32_t*, bool);
constexpr Tile kTiles[kTile + 1] = {nullptr, tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

void product(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums) {
  for (size_t top = 0; top < count; top += kChunkRows) {
    const size_t bottom = top + kChunkRows < count ? top + kChunkRows : count;
    for (size_t k = 0; k < depth; k += kChunkDepth) {
      const size_t here = depth - k < kChunkDepth ? depth - k : kChunkDepth;
      for (size_t i = top; i < bottom; i += kTile)
        kTiles[bottom - i < kTile ? bottom - i : kTile](panel + k * kColumns, here / 4, records + i * depth + k, depth,
                                                        sums + i * kColumns, k == 0);
    }
  }
}

using Kernels = Columns<ColumnVectors>;

}  // namespace

const ColumnKernels kColumnKernels = {1,    480 << 10, Kernels::measure, Kernels::normalize, Kernels::quantize,
                                      pack, product,   Kernels::finish};

}  // namespace dsvl2::avx512
