// Weights in blocks times activations in int8: layouts, and the functions that every instruction set implements.
//
// Weights lie as MatMulNBits and QMoE of ONNX Runtime read them. A row is cut into blocks of 16 to 256 values with one
// fp32 scale each; value = (integer - zero point) * scale with zero point 8 (4 bit) or 128 (8 bit). Byte t of a row in
// 4 bit holds value 2t in its low half and value 2t + 1 in its high half. Nothing is repacked in memory.
//
// Activations are quantised a row at a time, per block: scale = max |x| / 127, integer = round to even of x * 127 / max |x|.
// A row becomes one record: in 4 bit all values of even positions and behind them those of odd ones, so that the halves
// of a weight's byte never have to move; then a scale and a start for each block. The start is what the zero point of the
// weights contributes: -8 or -128 times the sum of the block's integers.
//
// Sums. A block's integer sum is exact; it is turned into fp32 and multiplied by (weight scale * activation scale), which
// is rounded once, in one fused multiply-add.
//   - `panel_product` adds blocks in their order to one number;
//   - `row_products` adds block b to lane b % 16 in order, and then lanes i and i + 8, i + 4, i + 2, i + 1.
// Every instruction set gives the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

#include "compiler.h"

namespace dsvl2 {

constexpr size_t kPanel = 32;           // rows of weights that are multiplied at a time
constexpr size_t kChunkValues = 1024;   // of each row of a panel that are unpacked at a time: 32 KB in all
constexpr size_t kChunkBlocks = kChunkValues / 16;
constexpr size_t kLargestBlock = 256;
constexpr size_t kLanes = 16;
constexpr size_t kFewRows = 6;  // of activations: the most that `row_products` takes
constexpr size_t kWaiting = 64;  // of activations: with no more, products wait for memory, and tasks take several panels

constexpr size_t kAhead = 2048;  // bytes: how far ahead of a product of rows its weights are asked for

DSVL2_INLINE size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

// Up to so many rows of activations are better multiplied with a weight's bytes as they come than with unpacked ones.
DSVL2_INLINE size_t few_rows(size_t bits) { return bits == 4 ? kFewRows : 3; }

// How one row of activations lies in memory; offsets and sizes in bytes.
struct Layout {
  size_t bits;         // of the weights it will be multiplied with
  size_t block;        // values per scale
  size_t blocks;       // of a row
  size_t odd;          // in 4 bit: where the odd positions begin
  size_t scales;       // float[blocks], zeros up to a multiple of 16
  size_t starts;       // int32_t[blocks], zeros up to a multiple of 16
  size_t stride;       // of a record; a multiple of 64

  Layout() = default;
  Layout(size_t bits, size_t block, size_t blocks) : bits(bits), block(block), blocks(blocks) {
    const size_t values = bits == 4 ? 2 * round_up(blocks * block / 2, 64) : round_up(blocks * block, 64);
    odd = values / 2;
    scales = values;
    starts = scales + round_up(blocks, kLanes) * sizeof(float);
    stride = starts + round_up(blocks, kLanes) * sizeof(int32_t);
  }
};

// Rows of weights, [rows, blocks * block * bits / 8] bytes and [rows, blocks] scales.
struct Weights {
  const uint8_t* packed;
  const float* scales;
  size_t rows;
  size_t row_bytes;

  DSVL2_INLINE const uint8_t* row(size_t n) const { return packed + n * row_bytes; }
};

// Rows of the first and of the second half in turns: memory gives two streams sooner than one.
template <class Product>
DSVL2_INLINE void in_two_streams(size_t count, const Product& product) {
  const size_t half = count / 2;
  for (size_t n = 0; n < half; ++n) product(n), product(half + n);
  if (count % 2) product(count - 1);
}

// Scratch of one thread: a chunk of a panel as its instruction set likes it.
struct alignas(64) Panel {
  uint8_t values[kChunkValues * kPanel];
  float scales[kChunkBlocks * kPanel];
};

// Which 32 rows of a weight make a panel: first + i, or with `pairs` the even ones and then the odd ones of first .. first + 31.
struct PanelRows {
  size_t first;
  bool pairs;
  DSVL2_INLINE size_t row(size_t i) const { return first + (pairs ? (i < 16 ? 2 * i : 2 * (i - 16) + 1) : i); }
};

// Bytes of a row of a panel that will be unpacked after the blocks before `end`: its next chunk, or the first one of the row
// that has the same place in the next panel.
DSVL2_INLINE const uint8_t* unpacked_next(const Weights& w, size_t row, const Layout& layout, size_t end) {
  const size_t block_bytes = layout.block * layout.bits / 8;
  return end < layout.blocks ? w.row(row) + end * block_bytes : w.row(row + kPanel < w.rows ? row + kPanel : row);
}

struct BlockKernels {
  // `count` values from block `first_block` of a record on; a block that they do not fill is filled with zeros.
  // A block with a value that is not finite gets the scale NaN, so that every product with it is NaN.
  void (*quantize)(const float* x, size_t count, const Layout& layout, size_t first_block, uint8_t* record);

  // c[i * ldc + n] = record i times weight row of column n, for i < count and n < columns <= 32. Rows beyond the end of
  // the weight are never read.
  void (*panel_product)(const Weights& w, PanelRows panel, const Layout& layout, const uint8_t* records, size_t count,
                        float* c, size_t ldc, size_t columns, Panel* scratch);

  // y[i * ldy + n] = records[i] times weight row first + n, for n < count and i < record_count <= kFewRows.
  void (*row_products)(const Weights& w, size_t first, size_t count, const Layout& layout, const uint8_t* const* records,
                       size_t record_count, float* y, size_t ldy);

  // out[i] = gate[i] * up[i] / (1 + exp(-gate[i])).
  void (*swiglu)(const float* gate, const float* up, size_t count, float* out);

  // y[i] = y[i] + f * x[i], rounded once.
  void (*add_scaled)(const float* x, float f, size_t count, float* y);
};

// exp(x) for the SwiGLU, in fp32 with fused steps: x = n log 2 + r, a polynomial for exp(r), times 2^n.
namespace exponential {
constexpr float kLowest = -87.f, kHighest = 88.f, kLog2e = 1.44269504f;
constexpr float kLog2High = 0.693359375f, kLog2Low = -2.12194440e-4f;
constexpr float kPolynomial[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
}  // namespace exponential

constexpr float kSmallestBlockMaximum = 1e-30f;  // below it 127 / max overflows; such a block is as good as zero

namespace reference {
extern const BlockKernels kBlocks;
}
namespace avx2 {
extern const BlockKernels kBlocks;
}
namespace avxvnni {
extern const BlockKernels kBlocks;
}
namespace neon {
extern const BlockKernels kBlocks;
}
namespace avx512 {
extern const BlockKernels kBlocks;
}

namespace amx {  // the rest is avx512's
void panel_product(const Weights& w, PanelRows panel, const Layout& layout, const uint8_t* records, size_t count, float* c,
                   size_t ldc, size_t columns, Panel* scratch);
}

}  // namespace dsvl2
