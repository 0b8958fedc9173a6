// Eight whole tiles, 16 rows of 64 bytes each: by habit 0 to 3 are sums, 4 and 5 rows, 6 and 7 columns.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "compiler.h"

namespace dsvl2::amx {
namespace {  // each file that includes this has its own

// Before tiles are read that ordinary stores have written: GCC does not know that the instruction reads memory, and may
// move or leave out such stores. It does know what storing a tile writes.
DSVL2_INLINE void settle() { __asm__ volatile("" : : : "memory"); }

class WholeTiles {
 public:
  WholeTiles() {
    alignas(64) struct {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } configuration;
    for (int tile = 0; tile < 8; ++tile) configuration.rows[tile] = 16, configuration.row_bytes[tile] = 64;
    // GCC 12 believes that the instruction reads 8 bytes, and may leave out what is written behind them.
    __asm__ volatile("" : : "r"(&configuration) : "memory");
    _tile_loadconfig(&configuration);
  }
  WholeTiles(const WholeTiles&) = delete;
  WholeTiles& operator=(const WholeTiles&) = delete;
  ~WholeTiles() { _tile_release(); }
};

}  // namespace
}  // namespace dsvl2::amx
