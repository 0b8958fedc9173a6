// VisionAttention(qkv [tiles, patches, 3 * heads * head] f32; heads) -> [tiles, patches, heads * head] f32: every patch of
// a tile sees all others, scores are divided by the root of a head's width. Queries, keys and values of all heads lie one
// behind the other, as one linear layer gives them.
#pragma once
#include "levels.h"
#include "operator.h"

namespace dsvl2 {

class VisionAttention {
 public:
  static constexpr const char* kName = "VisionAttention";
  static constexpr int kInputs[] = {ort::kFloat};

  explicit VisionAttention(const Info& info);
  void compute(const Context& context) const;

 private:
  const AttentionKernels& kernels_;
  const size_t heads_;
};

}  // namespace dsvl2
