// Attention in plain C++, in the order of the formula.
#include <cmath>

#include "attention.h"

namespace dsvl2::reference {
namespace {

float dot(const Part (&a)[2], size_t i, const Part (&b)[2], size_t j) {
  float sum = 0;
  for (int part = 0; part < 2; ++part)
    for (size_t d = 0; d < a[part].width; ++d) sum += a[part].at[i * a[part].stride + d] * b[part].at[j * b[part].stride + d];
  return sum;
}

size_t prompt_scratch(const HeadOfPrompt& head) { return head.key_count; }

void attend_prompt(const HeadOfPrompt& head, float* weights) {
  for (size_t i = 0; i < head.query_count; ++i) {
    const size_t seen = head.causal ? head.past + i + 1 : head.key_count;
    float top = -INFINITY, sum = 0;
    for (size_t j = 0; j < seen; ++j) {
      weights[j] = head.scale * dot(head.queries, i, head.keys, j);
      top = weights[j] > top || weights[j] != weights[j] ? weights[j] : top;
    }
    for (size_t j = 0; j < seen; ++j) sum += weights[j] = std::exp(weights[j] - top);
    float* const out = head.out + i * head.out_stride;
    for (size_t d = 0; d < head.values.width; ++d) {
      float mixed = 0;
      for (size_t j = 0; j < seen; ++j) mixed += weights[j] * head.values.at[j * head.values.stride + d];
      out[d] = mixed / sum;
    }
  }
}

void int8_columns(const float* x, size_t depth, const int8_t* w, const float* scales, size_t width, float* y) {
  for (size_t n = 0; n < width; ++n) {
    float sum = 0;
    for (size_t k = 0; k < depth; ++k) sum += x[k] * float(w[k * width + n]);
    y[n] = sum * scales[n];
  }
}

size_t rows_scratch(size_t) { return 0; }

void attend_rows(const float* queries, const CachedRows& rows, size_t mixed_stride, Piece* out, float*) {
  const size_t row = rows.row, rank = rows.rank, count = rows.count;
  const auto value = [&](size_t r, size_t d) {
    return rows.floats ? rows.floats[r * row + d] : widen(rows.halves[r * row + d]);
  };
  for (size_t h = 0; h < kHeadLanes; ++h) {
    float top = -INFINITY, sum = 0;
    const auto score = [&](size_t r) {
      float s = 0;
      for (size_t d = 0; d < row; ++d) s += queries[d * kHeadLanes + h] * value(r, d);
      return s;
    };
    for (size_t r = 0; r < count; ++r) top = std::fmax(top, score(r));
    float* const mixed = out->mixed + h * mixed_stride;
    for (size_t d = 0; d < rank; ++d) mixed[d] = 0;
    for (size_t r = 0; r < count; ++r) {
      const float weight = std::exp2(score(r) - top);
      sum += weight;
      for (size_t d = 0; d < rank; ++d) mixed[d] += weight * value(r, d);
    }
    out->top[h] = top;
    out->sum[h] = sum;
  }
}

}  // namespace

const AttentionKernels kAttention = {prompt_scratch, attend_prompt, prompt_scratch, attend_prompt,
                                     int8_columns,   rows_scratch,  attend_rows};

}  // namespace dsvl2::reference
