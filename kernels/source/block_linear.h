// BlockLinear(x [.., K] f32, packed u8, scales f32, gamma [K] f32, residual [.., N] f32; K, N, bits, block_size, epsilon)
//     -> [.., N] f32: `MatMulNBits` with int8 activations.
//
// The weight is [N, blocks, block_size * bits / 8] bytes and [N * blocks] scales, both constants. From version 3 on, either may
// be given: gamma, a constant, where x is normalised first (`norm.h`), and a residual that is added to the product.
#pragma once
#include "block_weight.h"
#include "levels.h"
#include "norm.h"

namespace dsvl2 {

class BlockLinear {
 public:
  static constexpr const char* kName = "BlockLinear";
  static constexpr int kInputs[] = {ort::kFloat, ort::kUint8, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr size_t kRequiredInputs = 3, kOutputs = 1;

  explicit BlockLinear(const Info& info);
  void compute(const Context& context) const;

 private:
  const BlockKernels& kernels_;
  const BlockWeight weight_;
  const InputNorm norm_;
};

}  // namespace dsvl2
