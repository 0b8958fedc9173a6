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

// Sums of rows of x and up to kColumns columns, on their way to y.
struct ColumnBlock {
  const int32_t* sums;    // [rows][kColumns]
  const int32_t* starts;  // [kColumns], what is added to each sum
  size_t rows, columns;
  float scale;            // of x
  const float* scales;    // of the columns
  const float* bias;      // or null
  const float* residual;  // added at last, or null; rows as far apart as those of y
  bool gelu;              // the tanh approximation, after the bias
  float* y;
  size_t width;           // of y
};

struct ColumnKernels {
  size_t value_bytes;  // of an activation in a record
  size_t piece_bytes;  // of activations that pass under a weight at a time: so much stays in a cache

  // `range` becomes wide enough for x.
  void (*measure)(const float* x, size_t count, Range* range);

  // y = (x - mean) / sqrt(variance + epsilon) * gamma + beta. Sums go to lane i % 16 in order and then as in blocks.h.
  void (*normalize)(const float* x, size_t count, const float* gamma, const float* beta, float epsilon, float* y);

  // Integers of x, as the header says; zeros where the scale is no number.
  void (*quantize)(const float* x, size_t count, float scale, int32_t zero_point, uint8_t* record);

  // Columns first to first + columns - 1 as `product` wants them, zeros behind the ends, and the sum of each column.
  // `panel` has padded depth * kColumns * value_bytes bytes.
  void (*pack)(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums);

  // sums[i][n] = record i times column n. Records are padded depth * value_bytes long, `depth` is the padded one. Sums
  // have room for a multiple of kRecordUnit rows.
  void (*product)(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums);

  // Rows of y, and what they lie between where `range` is not null.
  void (*finish)(const ColumnBlock& block, Range* range);
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
void column_product(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums);
}

}  // namespace dsvl2
