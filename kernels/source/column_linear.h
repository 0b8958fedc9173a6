// ColumnLinear(x [.., K] f32, weight [K, N] i8, scales [N] f32, bias [N]?, gamma [K]?, beta [K]?, residual [.., N]?,
// range [2]?; gelu, epsilon) -> y [.., N] f32, range [2]?: `DynamicQuantizeMatMul` with what surrounds it in a block of the
// vision tower.
//
// y = residual + gelu(norm(x) W + bias), where the norm is over the last axis and there with gamma and beta. Weight,
// scales, bias, gamma and beta are constants. The second output is what y lies between; given as `range` to the operator
// that reads y, it spares it a pass over the values.
#pragma once
#include "columns.h"
#include "levels.h"
#include "operator.h"

namespace dsvl2 {

class ColumnLinear {
 public:
  static constexpr const char* kName = "ColumnLinear";
  static constexpr int kInputs[] = {ort::kFloat, ort::kInt8,  ort::kFloat, ort::kFloat,
                                    ort::kFloat, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr size_t kRequiredInputs = 3;
  static constexpr size_t kOutputs = 2;

  explicit ColumnLinear(const Info& info);
  void compute(const Context& context) const;

 private:
  // Range and records of all rows.
  void prepare(const Context& context, const Tensor& x, const Tensor& range, uint8_t* records, float* scale,
               int32_t* zero_point) const;

  const ColumnKernels& kernels_;
  ColumnWeights weight_;
  const float *scales_, *bias_ = nullptr, *gamma_ = nullptr, *beta_ = nullptr;
  float epsilon_;
  bool gelu_;
};

}  // namespace dsvl2
