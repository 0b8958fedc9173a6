// Products with int8 columns with AMX: 32 records times 32 columns at a time in four tiles of sums.
#include <cstring>

#include "amx_tiles.h"
#include "columns.h"

namespace dsvl2::amx {

void column_product(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums) {
  const WholeTiles whole;
  constexpr size_t kGroup = 4 * kColumns;  // bytes of four rows of a weight
  for (size_t i = 0; i < count; i += kRecordUnit)
    for (size_t column = 0; column < kColumns; column += 32) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      const uint8_t* const a = records + i * depth;
      const uint8_t* b = panel + column * 4;
      for (size_t k = 0; k < depth; k += 64, b += 16 * kGroup) {
        _tile_loadd(4, a + k, depth);
        _tile_loadd(6, b, kGroup);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, b + 64, kGroup);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, a + 16 * depth + k, depth);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
      }
      int32_t* const c = sums + i * kColumns + column;
      _tile_stored(0, c, kColumns * 4);
      _tile_stored(1, c + 16, kColumns * 4);
      _tile_stored(2, c + 16 * kColumns, kColumns * 4);
      _tile_stored(3, c + 16 * kColumns + 16, kColumns * 4);
    }
}

}  // namespace dsvl2::amx
