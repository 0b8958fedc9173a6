// Latent attention of one layer over a cache of rows [rank + rope] that all heads share; scores are scaled by the root of
// nope + rope.
//
// LatentStep(q_nope [1, seq, heads * nope], q_rope [seq * heads, rope] f32, past [past, row], new [seq, row] bf16 (from
//     version 3 on) or f32, up_key s8 [heads, nope, rank], its scales f32 [heads, 1, rank], up_value s8 [heads, rank, value],
//     its scales f32 [heads, 1, value]) -> [1, seq, heads * value]
//   One position or a few (from version 2 on): queries are brought into the latent space, see each row once for all heads,
//   and what they mix is brought back. up_key and up_value are constants, int8 per column.
//
// LatentPrompt(q_nope [1, seq, heads * nope], q_rope [seq * heads, rope], expanded [total, heads * (nope + value)],
//     rows [total, row] f32; heads) -> [1, seq, heads * value]
//   Many positions, the last of `total`: keys and values expanded per head, each position sees itself and those before.
#pragma once
#include "levels.h"
#include "operator.h"

namespace dsvl2 {

class LatentStep {
 public:
  static constexpr const char* kName = "LatentStep";
  static constexpr int kInputs[] = {ort::kFloat, ort::kFloat, ort::kAny,  ort::kAny,
                                    ort::kInt8,  ort::kFloat, ort::kInt8, ort::kFloat};

  explicit LatentStep(const Info& info);
  void compute(const Context& context) const;

 private:
  const AttentionKernels& kernels_;
  const Tensor up_key_, up_key_scales_, up_value_, up_value_scales_;
  size_t heads_ = 0, nope_ = 0, rank_ = 0, value_ = 0;
};

class LatentPrompt {
 public:
  static constexpr const char* kName = "LatentPrompt";
  static constexpr int kInputs[] = {ort::kFloat, ort::kFloat, ort::kFloat, ort::kFloat};

  explicit LatentPrompt(const Info& info);
  void compute(const Context& context) const;

 private:
  const AttentionKernels& kernels_;
  const size_t heads_;
};

}  // namespace dsvl2
