// Weights in int8 columns times activations in uint8: layouts, and the functions that every instruction set implements.
//
// A weight is [depth, width] int8 with one fp32 scale for each of its columns, as DynamicQuantizeMatMul of ONNX Runtime
// reads it. Nothing is repacked for longer than one product.
//
// Activations have one scale and one zero point for all of x, which DynamicQuantizeLinear of ONNX defines:
// scale = (most - least) / 255 with zero among the values, zero point = round to even of -least / scale, and
// integer = round to even of x / scale, plus the zero point, within 0 to 255.
//
// A sum of products of integers is exact. It is turned into fp32, multiplied by (scale of x * scale of the column), and
// what follows (bias, GELU, residual) is rounded after each step. Every instruction set gives the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

#include "blocks.h"

namespace dsvl2 {

constexpr size_t kColumns = 64;             // of a weight that are multiplied at a time
constexpr size_t kDepthUnit = 64;           // a record is filled up to a multiple of it
constexpr size_t kRecordUnit = 32;          // so many records may be read at a time, also behind the last one
constexpr size_t kMostDepth = 65793;        // of a weight: sums of more than that might not fit into 32 bits

constexpr size_t kFinishedRows = 96;        // whose sums wait in a cache where all columns are multiplied at a time

// Integers of scratch for the sums of so many rows.
DSVL2_INLINE size_t sums_of(size_t rows) { return (rows < kFinishedRows ? kFinishedRows : round_up(rows, kRecordUnit)) * kColumns; }

// What values lie between; zero is always among them.
struct Range {
  float least = 0, most = 0;
  bool finite = true;

  void widen(const Range& other) {
    least = other.least < least ? other.least : least;
    most = other.most > most ? other.most : most;
    finite = finite && other.finite;
  }
};

struct ColumnWeights {
  const int8_t* values;
  size_t depth, width;
};

// Rows of x times up to kColumns columns, and the way of their sums to y.
struct ColumnBlock {
  const int32_t* starts;  // [kColumns], what is added to each sum
  size_t rows, columns;
  float scale;            // of x
  const float* scales;    // of the columns
  const float* bias;      // or null
  const float* residual;  // added at last, or null; rows as far apart as those of y
  bool gelu;              // the tanh approximation, after the bias
  float* y;
  size_t width;           // of y
  bool large;             // all of y is more than a cache holds until it is read
};

struct ColumnKernels {
  size_t value_bytes;  // of an activation in a record
  size_t tile_rows;    // records of which kDepthUnit values of each lie together, in turns; a divisor of kRecordUnit
  size_t piece_bytes;  // of activations that pass under a weight at a time: so much stays in a cache

  // `range` becomes wide enough for x.
  void (*measure)(const float* x, size_t count, Range* range);

  // y = (x - mean) / sqrt(variance + epsilon) * gamma + beta. Sums go to lane i % 16 in order and then as in blocks.h.
  void (*normalize)(const float* x, size_t count, const float* gamma, const float* beta, float epsilon, float* y);

  // Integers of x, as the header says; zeros where the scale is no number. A record begins where `RecordLayout` says.
  void (*quantize)(const float* x, size_t count, float scale, int32_t zero_point, uint8_t* record);

  // Columns first to first + columns - 1 as `multiply` wants them, zeros behind the ends, and the sum of each column.
  // `panel` has padded depth * kColumns * value_bytes bytes.
  void (*pack)(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums);

  // Rows of y, and what they lie between where `range` is not null. The first of the records begins a tile, `depth` is
  // the padded one, and records may be read up to a multiple of kRecordUnit. `sums` is scratch of `sums_of(rows)`.
  void (*multiply)(const uint8_t* panel, size_t depth, const uint8_t* records, const ColumnBlock& block, int32_t* sums,
                   Range* range);
};

// Where records lie: kDepthUnit values of the first, of the second, and so on to the last one of a tile, and then the
// next values of each.
struct RecordLayout {
  size_t unit, rows, stride;  // bytes of kDepthUnit values, records of a tile, bytes of a record in all

  RecordLayout(const ColumnKernels& kernels, size_t depth)
      : unit(kDepthUnit * kernels.value_bytes), rows(kernels.tile_rows),
        stride(round_up(depth, kDepthUnit) * kernels.value_bytes) {}
  size_t at(size_t row) const { return row / rows * rows * stride + row % rows * unit; }
};

// GELU(x) by tanh is x / (1 + exp(-x * (kLinear + kCubic * x^2))).
namespace gelu {
constexpr float kLinear = 1.5957691216f, kCubic = 0.0713548163f;
}

namespace reference {
extern const ColumnKernels kColumnKernels;
}
namespace avx2 {
extern const ColumnKernels kColumnKernels;
}
namespace avxvnni {
extern const ColumnKernels kColumnKernels;
}
namespace neon {
extern const ColumnKernels kColumnKernels;
}
namespace avx512 {
extern const ColumnKernels kColumnKernels;
}
namespace amx {  // the rest is avx512's
constexpr size_t kPieceBytes = size_t(1) << 20;  // these processors have 2 MB of second-level cache for each core
constexpr size_t kTileRows = 16;
void quantize_columns(const float* x, size_t count, float scale, int32_t zero_point, uint8_t* record);
void pack_columns(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums);
void multiply_columns(const uint8_t* panel, size_t depth, const uint8_t* records, const ColumnBlock& block, int32_t* sums,
                      Range* range);
}

}  // namespace dsvl2
