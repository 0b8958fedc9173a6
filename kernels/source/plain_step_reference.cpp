// A step of plain attention in plain C++, which every other level is tested against.
#include <cmath>

#include "plain_step_kernels.h"

namespace dsvl2::reference {
namespace {

constexpr size_t kLanes = 16;

float total(float (&lanes)[kLanes]) {
  for (size_t half = kLanes / 2; half > 0; half /= 2)
    for (size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  return lanes[0];
}

void weigh(const float* query, const StepRows& keys, float* weights, float* top, float* sum) {
  const size_t row = keys.heads * keys.width;
  for (size_t h = 0; h < keys.heads; ++h) {
    float* const of_head = weights + h * kStepRows;
    const float* const q = query + h * keys.width;
    top[h] = kNoScore;
    for (size_t r = 0; r < keys.count; ++r) {
      const float* const key = keys.at + r * row + h * keys.width;
      float lanes[kLanes] = {};
      for (size_t d = 0; d < keys.width; ++d) lanes[d % kLanes] = std::fma(q[d], key[d], lanes[d % kLanes]);
      of_head[r] = total(lanes);
      top[h] = std::fmax(top[h], of_head[r]);
    }
    float lanes[kLanes] = {};
    for (size_t r = 0; r < keys.count; ++r) lanes[r % kLanes] += of_head[r] = power_of_two(of_head[r] - top[h]);
    sum[h] = total(lanes);
  }
}

void mix(const float* weights, const StepRows& values, float* mixed) {
  for (size_t h = 0; h < values.heads; ++h)
    for (size_t d = 0; d < values.width; ++d) {
      float sum = 0;
      for (size_t r = 0; r < values.count; ++r)
        sum = std::fma(weights[h * kStepRows + r], values.at[(r * values.heads + h) * values.width + d], sum);
      mixed[h * values.width + d] = sum;
    }
}

}  // namespace

const PlainStepKernels kPlainStep = {weigh, mix};

}  // namespace dsvl2::reference
