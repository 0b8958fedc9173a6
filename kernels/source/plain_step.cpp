#include "plain_step.h"

#include <cmath>

#include "records.h"

namespace dsvl2 {
namespace {

constexpr float kLog2e = 1.44269504f;
constexpr size_t kTogether = 8;  // positions that see a piece's keys before its values are read

// What a position has seen of the cache: for each piece the largest score, the sum of weights, and the mixed values.
struct Seen {
  Buffer<float> tops, sums, mixed;  // [positions][pieces][heads], the same, and [positions][pieces][row]

  Seen(size_t all, size_t heads, size_t row)
      : tops(product(PlainStep::kName, {all, heads})), sums(product(PlainStep::kName, {all, heads})),
        mixed(product(PlainStep::kName, {all, row})) {}
};

// Pieces of one head, each weighed by how far its largest score lies below the largest of all; `first` is the first one's
// number among all pieces of all positions.
void join(const Seen& seen, size_t first, size_t pieces, size_t heads, size_t head, size_t width, float* out) {
  float top = kNoScore, sum = 0;
  for (size_t i = 0; i < pieces; ++i) top = std::max(top, seen.tops.data()[(first + i) * heads + head]);
  std::fill(out, out + width, 0.f);
  for (size_t i = 0; i < pieces; ++i) {
    const size_t at = (first + i) * heads + head;
    const float weight = std::exp2(seen.tops.data()[at] - top);
    sum += seen.sums.data()[at] * weight;
    const float* const mixed = seen.mixed.data() + at * width;
    for (size_t d = 0; d < width; ++d) out[d] += mixed[d] * weight;
  }
  if (top == kNoScore) sum = NAN;  // no row weighs anything
  for (size_t d = 0; d < width; ++d) out[d] /= sum;
}

}  // namespace

void PlainStep::compute(const Context& context) const {
  const Tensor q = context.input(0, ort::kFloat, "q");
  const Tensor past_keys = context.input(1, ort::kFloat, "past_keys"), new_keys = context.input(2, ort::kFloat, "new_keys");
  const Tensor past_values = context.input(3, ort::kFloat, "past_values");
  const Tensor new_values = context.input(4, ort::kFloat, "new_values");
  const auto fit = [](bool fits, const Tensor& a, const Tensor& b) {
    require(fits, std::string(kName) + ": sizes do not fit: " + a.shape() + " and " + b.shape());
  };
  fit(q.rank() == 4 && q.dim(0) == 1 && q.dim(1) > 0 && q.dim(3) > 0, q, past_keys);
  const size_t heads = q.dim(1), seq = q.dim(2), width = q.dim(3), row = product(kName, {heads, width});
  fit(past_keys.rank() == 2 && past_keys.dim(1) == row, q, past_keys);
  fit(new_keys.rank() == 2 && new_keys.dim(0) == seq && new_keys.dim(1) == row, q, new_keys);
  fit(past_values.dims == past_keys.dims, past_keys, past_values);
  fit(new_values.dims == new_keys.dims, new_keys, new_values);
  float* const y = context.output({1, int64_t(seq), int64_t(row)});
  if (seq == 0) return;

  Buffer<float> queries(product(kName, {seq, row}));
  const float scale = kLog2e / std::sqrt(float(width));
  for (size_t h = 0; h < heads; ++h)
    for (size_t t = 0; t < seq; ++t) {
      const float* const from = q.as<float>() + (h * seq + t) * width;
      float* const to = queries.data() + t * row + h * width;
      for (size_t d = 0; d < width; ++d) to[d] = from[d] * scale;
    }

  // Pieces are the same whatever the number of threads; those of the new rows stand behind those of the cache.
  const size_t past = past_keys.dim(0), of_past = (past + kStepRows - 1) / kStepRows;
  const size_t pieces = of_past + (seq + kStepRows - 1) / kStepRows;
  const Seen seen(product(kName, {seq, pieces}), heads, row);
  context.parallel(pieces, [&](size_t piece) {
    const bool cached = piece < of_past;
    const size_t first = (cached ? piece : piece - of_past) * kStepRows;
    const float* const keys = (cached ? past_keys : new_keys).as<float>() + first * row;
    const float* const values = (cached ? past_values : new_values).as<float>() + first * row;
    float* const weights = float_scratch(product(kName, {kTogether, heads, kStepRows}));
    for (size_t begin = cached ? 0 : first; begin < seq; begin += kTogether) {
      const size_t end = std::min(seq, begin + kTogether);
      const auto rows = [&](const float* at, size_t t) {
        return StepRows{at, std::min(kStepRows, cached ? past - first : t + 1 - first), heads, width};
      };
      for (size_t t = begin; t < end; ++t) {
        const size_t at = (t * pieces + piece) * heads;
        kernels_.weigh(queries.data() + t * row, rows(keys, t), weights + (t - begin) * heads * kStepRows,
                       seen.tops.data() + at, seen.sums.data() + at);
      }
      for (size_t t = begin; t < end; ++t)
        kernels_.mix(weights + (t - begin) * heads * kStepRows, rows(values, t), seen.mixed.data() + (t * pieces + piece) * row);
    }
  });
  context.parallel(heads * seq, [&](size_t task) {
    const size_t h = task / seq, t = task % seq;
    join(seen, t * pieces, of_past + t / kStepRows + 1, heads, h, width, y + t * row + h * width);
  });
}

}  // namespace dsvl2
