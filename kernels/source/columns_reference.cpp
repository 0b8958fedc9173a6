// Products with int8 columns in plain C++: what every other instruction set has to equal, bit for bit.
#include <cmath>
#include <cstring>

#include "columns.h"
#include "reference_exp.h"

namespace dsvl2::reference {
namespace {

void measure(const float* x, size_t count, Range* range) {
  for (size_t i = 0; i < count; ++i) {
    range->finite = range->finite && std::isfinite(x[i]);
    if (x[i] < range->least) range->least = x[i];
    if (x[i] > range->most) range->most = x[i];
  }
}

// Sums in lane i % 16, and then of lanes i and i + 8, i + 4, i + 2, i + 1.
template <class Term>
float sum_of(size_t count, const Term& term) {
  float lanes[kLanes] = {};
  for (size_t i = 0; i < count; ++i) lanes[i % kLanes] += term(i);
  for (size_t width = kLanes / 2; width > 0; width /= 2)
    for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  return lanes[0];
}

void normalize(const float* x, size_t count, const float* gamma, const float* beta, float epsilon, float* y) {
  const float mean = sum_of(count, [&](size_t i) { return x[i]; }) / float(count);
  const float variance = sum_of(count, [&](size_t i) { return (x[i] - mean) * (x[i] - mean); }) / float(count);
  const float factor = 1.f / std::sqrt(variance + epsilon);
  for (size_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * factor * gamma[i] + beta[i];
}

void quantize(const float* x, size_t count, float scale, int32_t zero_point, uint8_t* record) {
  std::memset(record, 0, round_up(count, kDepthUnit));
  if (!(std::fabs(scale) <= 3.4e38f)) return;
  for (size_t i = 0; i < count; ++i) {
    float q = x[i] / scale;
    q = q > float(-zero_point) ? q : float(-zero_point);
    q = q < float(255 - zero_point) ? q : float(255 - zero_point);
    record[i] = uint8_t(int32_t(std::nearbyint(q)) + zero_point);
  }
}

void pack(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums) {
  std::memset(panel, 0, round_up(w.depth, kDepthUnit) * kColumns);
  std::memset(sums, 0, kColumns * sizeof *sums);
  for (size_t k = 0; k < w.depth; ++k)
    for (size_t n = 0; n < columns; ++n) {
      const int8_t value = w.values[k * w.width + first + n];
      reinterpret_cast<int8_t*>(panel)[k * kColumns + n] = value;
      sums[n] += value;
    }
}

void multiply(const uint8_t* panel, size_t depth, const uint8_t* records, const ColumnBlock& b, int32_t*, Range* range) {
  const auto* const weights = reinterpret_cast<const int8_t*>(panel);
  for (size_t i = 0; i < b.rows; ++i)
    for (size_t n = 0; n < b.columns; ++n) {
      int32_t sum = b.starts[n];
      for (size_t k = 0; k < depth; ++k) sum += int32_t(records[i * depth + k]) * weights[k * kColumns + n];
      float y = float(sum) * (b.scale * b.scales[n]);
      if (b.bias) y += b.bias[n];
      if (b.gelu) y /= exp_of(0.f - y * std::fma(y * y, gelu::kCubic, gelu::kLinear)) + 1.f;
      if (b.residual) y += b.residual[i * b.width + n];
      b.y[i * b.width + n] = y;
      if (range) measure(&y, 1, range);
    }
}

}  // namespace

const ColumnKernels kColumnKernels = {1, 1, 480 << 10, measure, normalize, quantize, pack, multiply};

}  // namespace dsvl2::reference
