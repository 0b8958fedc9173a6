// Many rows of block products with AMX: a block of 16 records times 16 rows of weights is one sum of a tile, which is
// then scaled with AVX-512 as everywhere else. Few rows are better off without tiles.
#include <cstring>

#include "amx_tiles.h"
#include "avx512_panels.h"

namespace dsvl2::amx {
namespace {

using avx512::first_lanes;

constexpr size_t kTile = 16;        // records, and rows of weights
constexpr size_t kTileBytes = 64;   // of a record at a time
constexpr size_t kWorthTiles = 16;  // records; with fewer the tile is mostly empty

struct alignas(64) Configuration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  // Tiles 0 and 1 are sums, 2 and 3 records, 4 and 5 weights; `bytes` of each record at a time.
  explicit Configuration(size_t bytes) {
    for (int tile = 0; tile < 2; ++tile) {
      rows[tile] = rows[2 + tile] = kTile;
      row_bytes[tile] = row_bytes[4 + tile] = 64;
      row_bytes[2 + tile] = uint16_t(bytes);
      rows[4 + tile] = uint8_t(bytes / 4);
    }
  }
};

// What of a record and of a panel makes a block: `halves` times `parts` pieces of `bytes`.
struct Shape {
  size_t halves, parts, bytes, half_bytes;

  explicit Shape(const Layout& layout) {
    halves = layout.bits == 4 ? 2 : 1;
    half_bytes = layout.block / halves;
    parts = half_bytes > kTileBytes ? half_bytes / kTileBytes : 1;
    bytes = half_bytes / parts;
  }
};

// Integer sums of block b of 16 records and 16 rows of weights.
DSVL2_INLINE void block_sums(const Shape& shape, const uint8_t* records, size_t stride, size_t odd, const uint8_t* weights,
                             int32_t* sums) {
  _tile_zero(0);
  for (size_t half = 0; half < shape.halves; ++half)
    for (size_t part = 0; part < shape.parts; ++part) {
      _tile_loadd(2, records + half * odd + part * shape.bytes, stride);
      _tile_loadd(4, weights, 4 * kPanel);
      _tile_dpbssd(0, 2, 4);
      weights += shape.bytes * kPanel;
    }
  _tile_stored(0, sums, 64);
}

// 16 records times 16 rows of weights over a chunk; only the first `count` records are real.
void tile(const Shape& shape, const Panel* panel, size_t half, const Layout& layout, size_t begin, size_t end,
          const uint8_t* values, size_t stride, size_t odd, const float* record_scales, size_t count, float* c, size_t ldc,
          __mmask16 lanes, bool fresh) {
  __m512 f[kTile];
  DSVL2_UNROLL(16)
  for (size_t i = 0; i < kTile; ++i)
    f[i] = fresh || i >= count ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, c + i * ldc);
  const uint8_t* w = panel->values + half * 4;
  const float* s = panel->scales + half;
  alignas(64) int32_t sums[2][kTile * 16];
  const auto multiply = [&](size_t b) __attribute__((always_inline)) {
    block_sums(shape, values + (b - begin) * shape.half_bytes, stride, odd, w + (b - begin) * layout.block * kPanel, sums[b & 1]);
  };
  // The tiles of a block are under way while the sums of the one before are scaled.
  multiply(begin);
  for (size_t b = begin; b < end; ++b, s += kPanel) {
    if (b + 1 < end) multiply(b + 1);
    const __m512 weight_scales = _mm512_load_ps(s);
    const float* const a = record_scales + (b - begin) * kTile;
    DSVL2_UNROLL(16)
    for (size_t i = 0; i < kTile; ++i)
      f[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums[b & 1] + i * 16)),
                             _mm512_mul_ps(weight_scales, _mm512_set1_ps(a[i])), f[i]);
  }
  DSVL2_UNROLL(16)
  for (size_t i = 0; i < kTile; ++i)
    if (i < count) _mm512_mask_storeu_ps(c + i * ldc, lanes, f[i]);
}

// Scales of blocks [begin, end) of 16 records, as [block][record].
void gather_scales(const uint8_t* const* records, const Layout& layout, size_t begin, size_t end, float* out) {
  for (size_t b = begin; b < end; b += 16, out += 16 * kTile) {
    const __mmask16 blocks = first_lanes(static_cast<long long>(end - b));
    __m512i r[16];
    DSVL2_UNROLL(16)
    for (size_t i = 0; i < kTile; ++i) r[i] = _mm512_maskz_loadu_epi32(blocks, records[i] + layout.scales + b * 4);
    avx512::transpose16(r);
    DSVL2_UNROLL(16)
    for (size_t i = 0; i < 16; ++i) _mm512_store_si512(out + i * kTile, r[i]);
  }
}

}  // namespace

void panel_product(const Weights& w, PanelRows panel, const Layout& layout, const uint8_t* records, size_t count, float* c,
                   size_t ldc, size_t columns, Panel* scratch) {
  if (count < kWorthTiles)
    return avx512::kBlocks.panel_product(w, panel, layout, records, count, c, ldc, columns, scratch);
  const Shape shape(layout);
  const Configuration configuration(shape.bytes);
  settle();
  _tile_loadconfig(&configuration);
  alignas(64) uint8_t gathered[kTile * kChunkValues];
  alignas(64) float scales[kChunkBlocks * kTile];
  const size_t step = kChunkValues / layout.block;
  for (size_t begin = 0; begin < layout.blocks; begin += step) {
    const size_t end = begin + step < layout.blocks ? begin + step : layout.blocks;
    const size_t bytes = (end - begin) * shape.half_bytes, at = begin * shape.half_bytes;
    avx512::unpack<true>(w, panel, columns, layout, begin, end, scratch);
    for (size_t first = 0; first < count; first += kTile) {
      const size_t n = count - first < kTile ? count - first : kTile;
      const uint8_t* some[kTile];
      for (size_t i = 0; i < kTile; ++i) some[i] = records + (first + (i < n ? i : 0)) * layout.stride;
      const uint8_t* values = some[0] + at;
      size_t stride = layout.stride, odd = layout.odd;
      if (n < kTile) {  // behind the last record there is nothing to read
        for (size_t i = 0; i < kTile; ++i)
          for (size_t half = 0; half < shape.halves; ++half)
            std::memcpy(gathered + i * kChunkValues + half * kChunkValues / 2, some[i] + half * layout.odd + at, bytes);
        values = gathered, stride = kChunkValues, odd = kChunkValues / 2;
      }
      gather_scales(some, layout, begin, end, scales);
      settle();
      for (size_t half = 0; half < columns; half += 16)
        tile(shape, scratch, half, layout, begin, end, values, stride, odd, scales, n, c + first * ldc + half, ldc,
             first_lanes(static_cast<long long>(columns - half)), begin == 0);
    }
  }
  _tile_release();
}

}  // namespace dsvl2::amx
