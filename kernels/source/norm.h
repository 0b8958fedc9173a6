// The root mean square norm of one row, in fp32: the same bits on every level, as it is the same code.
#pragma once
#include <cmath>

#include "blocks.h"
#include "operator.h"

namespace dsvl2 {

// y[i] = x[i] / sqrt(mean(x^2) + epsilon) * gamma[i]; y may be x. Squares are added to lane i % 16 in order, and then lanes
// i and i + 8, i + 4, i + 2, i + 1, so that a compiler may use vectors of any width.
inline void rms_norm(const float* x, const float* gamma, size_t count, float epsilon, float* y) {
  float lanes[kLanes] = {};
  const size_t whole = count / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes)
    for (size_t l = 0; l < kLanes; ++l) lanes[l] += x[i + l] * x[i + l];
  for (size_t i = whole; i < count; ++i) lanes[i - whole] += x[i] * x[i];
  for (size_t half = kLanes / 2; half > 0; half /= 2)
    for (size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  const float factor = 1.f / std::sqrt(lanes[0] / float(count) + epsilon);
  for (size_t i = 0; i < count; ++i) y[i] = x[i] * factor * gamma[i];
}

// The norm of what an operator takes, where the graph gives it a gamma: a constant of the length of a row. `epsilon` is an
// attribute then.
class InputNorm {
 public:
  InputNorm(const Info& info, size_t gamma_index, size_t width) : index_(gamma_index), width_(width) {
    if (!info.has_constant(gamma_index)) return;
    const Tensor gamma = info.constant(gamma_index, ort::kFloat, "gamma");
    require(gamma.count() == width, std::string(info.name) + ": gamma has the shape " + gamma.shape() + ", but a row has " +
                                        std::to_string(width) + " features");
    gamma_ = gamma.as<float>();
    epsilon_ = info.real("epsilon", 0.f, 1.f);
  }

  // To be called before any row: a gamma that changes from run to run is refused.
  void check(const Context& context) const {
    require(gamma_ || !context.has_input(index_), std::string(context.name) + ": gamma must be a constant");
  }
  explicit operator bool() const { return gamma_ != nullptr; }
  void row(const float* x, float* y) const { rms_norm(x, gamma_, width_, epsilon_, y); }

 private:
  const size_t index_, width_;
  const float* gamma_ = nullptr;
  float epsilon_ = 0;
};

}  // namespace dsvl2
