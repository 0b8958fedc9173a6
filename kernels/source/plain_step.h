// PlainStep(q [1, heads, seq, width], past_keys [past, row], new_keys [seq, row], past_values [past, row],
//     new_values [seq, row] f32) -> [1, seq, row]; row is heads * width
//   Attention of one layer over cached rows that hold all heads: one position or a few, each of which sees what is cached,
//   the new rows before its own and its own. Scores are divided by the root of width. From version 4 on.
#pragma once
#include "levels.h"
#include "operator.h"

namespace dsvl2 {

class PlainStep {
 public:
  static constexpr const char* kName = "PlainStep";
  static constexpr int kInputs[] = {ort::kFloat, ort::kFloat, ort::kFloat, ort::kFloat, ort::kFloat};

  explicit PlainStep(const Info&) : kernels_(chosen_level().plain_step) {}
  void compute(const Context& context) const;

 private:
  const PlainStepKernels& kernels_;
};

}  // namespace dsvl2
