// What latent attention of one layer takes, out of the projection of its positions, in one pass.
//
// LatentInputs(projected [1, seq, heads * nope + heads * rope + rope + rank] f32, gamma [rank] f32, position_ids [1, seq]
//     int64, cos [positions, rope / 2] f32, sin f32; heads, epsilon)
//     -> q_nope [1, seq, heads * nope], q_rope [seq * heads, rope], new [seq, rank + rope] bf16  (from version 3 on)
//   A row of `projected` has what is not rotated of all heads, what is rotated of all heads and of the key, and the latent
//   row. Pairs (2i, 2i + 1) are rotated by the angle of their position; `new` is the normalised latent row and then the
//   rotated key, rounded to the nearest, halves to the even one, as cached rows are kept. gamma is a constant.
#pragma once
#include "operator.h"

namespace dsvl2 {

class LatentInputs {
 public:
  static constexpr const char* kName = "LatentInputs";
  static constexpr int kInputs[] = {ort::kFloat, ort::kFloat, ort::kInt64, ort::kFloat, ort::kFloat};
  static constexpr size_t kRequiredInputs = 5, kOutputs = 3;
  static constexpr int kOutputTypes[] = {ort::kFloat, ort::kFloat, ort::kBfloat16};

  explicit LatentInputs(const Info& info);
  void compute(const Context& context) const;

 private:
  const size_t heads_;
  const float epsilon_;
  const Tensor gamma_;
};

}  // namespace dsvl2
