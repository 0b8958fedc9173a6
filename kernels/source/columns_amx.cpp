// Products with int8 columns with AMX: 32 records times 32 columns at a time in four tiles of sums.
#include <cstring>

#include "amx_tiles.h"
#include "columns.h"

namespace dsvl2::amx {

namespace {

constexpr size_t kGroup = 4 * kColumns;  // bytes of four rows of a weight
constexpr size_t kChunkDepth = 512;      // of a panel at a time: 32 KB, in the first cache

// 32 records times 32 columns over `depth` rows of a weight; what `c` holds is added to unless `fresh`.
DSVL2_INLINE void square(const uint8_t* a, size_t stride, const uint8_t* b, size_t depth, int32_t* c, bool fresh) {
  constexpr size_t kRow = kColumns * 4;
  if (fresh) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, c, kRow);
    _tile_loadd(1, c + 16, kRow);
    _tile_loadd(2, c + 16 * kColumns, kRow);
    _tile_loadd(3, c + 16 * kColumns + 16, kRow);
  }
  for (size_t k = 0; k < depth; k += 64, b += 16 * kGroup) {
    _tile_loadd(4, a + k, stride);
    _tile_loadd(6, b, kGroup);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(7, b + 64, kGroup);
    _tile_dpbusd(1, 4, 7);
    _tile_loadd(5, a + 16 * stride + k, stride);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_stored(0, c, kRow);
  _tile_stored(1, c + 16, kRow);
  _tile_stored(2, c + 16 * kColumns, kRow);
  _tile_stored(3, c + 16 * kColumns + 16, kRow);
}

}  // namespace

void column_product(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums) {
  const WholeTiles whole;
  for (size_t k = 0; k < depth; k += kChunkDepth) {
    const size_t here = depth - k < kChunkDepth ? depth - k : kChunkDepth;
    for (size_t i = 0; i < count; i += kRecordUnit)
      for (size_t column = 0; column < kColumns; column += 32)
        square(records + i * depth + k, depth, panel + k * kColumns + column * 4, here, sums + i * kColumns + column, k == 0);
  }
}

}  // namespace dsvl2::amx
