// BlockLinear(x [.., K] f32, packed u8, scales f32; K, N, bits, block_size) -> [.., N] f32: `MatMulNBits` with int8
// activations. The weight is [N, blocks, block_size * bits / 8] bytes and [N * blocks] scales, both constants.
#pragma once
#include "block_weight.h"
#include "levels.h"

namespace dsvl2 {

class BlockLinear {
 public:
  static constexpr const char* kName = "BlockLinear";
  static constexpr int kInputs[] = {ort::kFloat, ort::kUint8, ort::kFloat};

  explicit BlockLinear(const Info& info);
  void compute(const Context& context) const;

 private:
  const BlockKernels& kernels_;
  const BlockWeight weight_;
};

}  // namespace dsvl2
