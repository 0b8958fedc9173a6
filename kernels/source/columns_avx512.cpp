// Products with int8 columns with AVX-512 and VNNI.
#include "avx512_columns.h"

namespace dsvl2::avx512 {
namespace {

constexpr size_t kTile = 6;          // records at a time: 24 sums, 4 weights and an activation in the 32 registers
constexpr size_t kChunkDepth = 512;  // of a panel at a time: 32 KB, in the first cache
constexpr size_t kChunkRows = 48;    // that pass over a chunk
void pack(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums) {
  pack_groups(w, first, columns, panel, sums, [](size_t group, size_t part) { return group * kGroup + part * 64; });
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

}  // namespace

const ColumnKernels kColumnKernels = {1,
                                      1,
                                      480 << 10,
                                      ColumnFunctions::measure,
                                      ColumnFunctions::normalize,
                                      quantize_units<kDepthUnit>,
                                      pack,
                                      ColumnFunctions::multiply<product>};

}  // namespace dsvl2::avx512
