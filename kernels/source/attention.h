// Attention in fp32: the functions that every instruction set implements.
//
// They differ in the order of their sums, so that results agree to 1e-5 of the largest value, not to the bit;
// `attend_patches` may compute in bf16, `attend_rows` with queries and weights that are two bf16 each.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "compiler.h"

namespace dsvl2 {

constexpr size_t kHeadLanes = 16;  // heads of a decode step that share each read of a cached row

// Columns of one head inside rows of several; queries and keys come in up to two parts, not rotated and rotated.
struct Part {
  const float* at = nullptr;
  size_t stride = 0;  // from row to row
  size_t width = 0;
};

// One head of attention of many queries. Query i sees the keys 0 to past + i, or all without `causal`.
struct HeadOfPrompt {
  Part queries[2], keys[2], values;
  size_t query_count, key_count;
  bool causal;
  size_t past;
  float scale;  // of the scores
  float* out;
  size_t out_stride;
};

using Bf16 = uint16_t;  // the upper half of a float

DSVL2_INLINE float widen(Bf16 x) {
  const uint32_t bits = uint32_t(x) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// How far memory was asked for by a thread that reads one piece of the cache behind the other.
struct ReadAhead {
  const char* at = nullptr;
  size_t turn = 0;
};

// Rows of the cache one behind the other, the first `rank` values of which are mixed; in one of two types.
struct CachedRows {
  const float* floats;  // null where they are of bf16
  const Bf16* halves;
  size_t row, rank, count;
  size_t behind = 0;  // rows behind these, which the same thread may read next
  ReadAhead* ahead = nullptr;
};

// A piece of the cache seen by 16 heads, not yet divided by the sum of weights.
struct Piece {
  float top[kHeadLanes], sum[kHeadLanes];  // largest score in powers of two, and the sum of 2^(score - top)
  float* mixed;                            // [16][mixed_stride], weights times rows
};

struct AttentionKernels {
  // Floats of scratch that `attend_prompt` needs.
  size_t (*prompt_scratch)(const HeadOfPrompt& head);
  void (*attend_prompt)(const HeadOfPrompt& head, float* scratch);

  // The same for patches of a picture, every query of which sees all keys: where the processor multiplies bf16 much faster
  // than fp32, queries, keys, weights and values are rounded to it (8 bits), and sums are of fp32.
  size_t (*patch_scratch)(const HeadOfPrompt& head);
  void (*attend_patches)(const HeadOfPrompt& head, float* scratch);

  // y[n] = scales[n] * sum over k of x[k] * w[k * width + n].
  void (*int8_columns)(const float* x, size_t depth, const int8_t* w, const float* scales, size_t width, float* y);

  // Floats of scratch that `attend_rows` needs.
  size_t (*rows_scratch)(size_t row);
  // Scores 16 heads against the rows and mixes them. queries is [row][16], scaled so that scores are powers of two.
  void (*attend_rows)(const float* queries, const CachedRows& rows, size_t mixed_stride, Piece* out, float* scratch);
};

namespace reference {
extern const AttentionKernels kAttention;
}
namespace avx2 {
extern const AttentionKernels kAttention;
}
namespace neon {
extern const AttentionKernels kAttention;
}
namespace avx512 {
extern const AttentionKernels kAttention;
}
namespace amx {  // the rest is avx512's
size_t patch_scratch(const HeadOfPrompt& head);
void attend_patches(const HeadOfPrompt& head, float* scratch);
size_t rows_scratch(size_t row);
void attend_rows(const float* queries, const CachedRows& rows, size_t mixed_stride, Piece* out, float* scratch);
}

}  // namespace dsvl2
