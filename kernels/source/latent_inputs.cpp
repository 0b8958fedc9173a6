#include "latent_inputs.h"

#include <cstring>

#include "norm.h"
#include "records.h"

namespace dsvl2 {
namespace {

constexpr int64_t kMostHeads = 4096;
constexpr size_t kRowsAtATime = 8;

void rotate(const float* x, const float* cos, const float* sin, size_t pairs, float* y) {
  for (size_t i = 0; i < pairs; ++i) {
    const float even = x[2 * i], odd = x[2 * i + 1];
    y[2 * i] = even * cos[i] - odd * sin[i];
    y[2 * i + 1] = even * sin[i] + odd * cos[i];
  }
}

// The nearest bf16, of halves the even one; what is no number stays none.
uint16_t rounded(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return uint16_t((x != x ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace

LatentInputs::LatentInputs(const Info& info)
    : heads_(size_t(info.attribute("heads", 1, kMostHeads))),
      epsilon_(info.real("epsilon", 0.f, 1.f)),
      gamma_(info.constant(1, ort::kFloat, "gamma")) {
  require(gamma_.count() > 0, std::string(kName) + ": gamma has the shape " + gamma_.shape());
}

void LatentInputs::compute(const Context& context) const {
  const std::string name = kName;
  const Tensor projected = context.input(0, ort::kFloat, "projected");
  const Tensor ids = context.input(2, ort::kInt64, "position_ids");
  const Tensor cos = context.input(3, ort::kFloat, "cos"), sin = context.input(4, ort::kFloat, "sin");
  require(cos.rank() == 2 && cos.dims == sin.dims && cos.dim(1) > 0,
          name + ": sizes do not fit: " + cos.shape() + " and " + sin.shape());
  const size_t rank = gamma_.count(), pairs = cos.dim(1), rope = product(name, {2, pairs}), positions = cos.dim(0);
  const size_t rotated = product(name, {heads_ + 1, rope}), least = product(name, {heads_, rope + 1}) + rope + rank;
  require(projected.rank() == 3 && projected.dim(0) == 1 && projected.dim(2) >= least &&
              (projected.dim(2) - rotated - rank) % heads_ == 0,
          name + ": sizes do not fit: " + projected.shape() + " and " + gamma_.shape());
  const size_t seq = projected.dim(1), width = projected.dim(2), all_nope = width - rotated - rank;
  require(ids.count() == seq, name + ": sizes do not fit: " + projected.shape() + " and " + ids.shape());
  for (size_t t = 0; t < seq; ++t)
    require(ids.as<int64_t>()[t] >= 0 && uint64_t(ids.as<int64_t>()[t]) < positions,
            name + ": a position is " + std::to_string(ids.as<int64_t>()[t]) + ", but the tables have " +
                std::to_string(positions));
  float* const q_nope = context.optional_output(0, {1, int64_t(seq), int64_t(all_nope)});
  float* const q_rope = context.optional_output(1, {int64_t(seq * heads_), int64_t(rope)});
  auto* const rows = reinterpret_cast<uint16_t*>(context.optional_output(2, {int64_t(seq), int64_t(rank + rope)}));
  if (seq == 0) return;
  require(q_nope && q_rope && rows, name + ": an output is left out");

  context.parallel((seq + kRowsAtATime - 1) / kRowsAtATime, [&](size_t task) {
    for (size_t t = task * kRowsAtATime; t < std::min(seq, (task + 1) * kRowsAtATime); ++t) {
      const float* const x = projected.as<float>() + t * width;
      const size_t angle = size_t(ids.as<int64_t>()[t]) * pairs;
      float* const row = float_scratch(rank + rope);
      std::copy_n(x, all_nope, q_nope + t * all_nope);
      for (size_t h = 0; h <= heads_; ++h)  // the key behind the heads
        rotate(x + all_nope + h * rope, cos.as<float>() + angle, sin.as<float>() + angle, pairs,
               h < heads_ ? q_rope + (t * heads_ + h) * rope : row + rank);
      rms_norm(x + all_nope + rotated, gamma_.as<float>(), rank, epsilon_, row);
      for (size_t i = 0; i < rank + rope; ++i) rows[t * (rank + rope) + i] = rounded(row[i]);
    }
  });
}

}  // namespace dsvl2
