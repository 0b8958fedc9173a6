// Who gets a token: the router of a mixture of experts, in fp32.
//
// logits = x gate. Where scores are a softmax, the highest logits are chosen; where each is a sigmoid, the highest of score
// + bias. Weights are the scores of those chosen, divided by their sum with `renormalize`, times `scaling`. Shared experts
// stand behind the routed ones and are always chosen, with weight 1.
//
// Sums of the product run over 512 features at a time, one feature after another in fused steps, and the sums of these
// pieces are added in their order: the same bits on every level. The rest is the same code.
#pragma once
#include <vector>

#include "operator.h"
#include "router_kernels.h"

namespace dsvl2 {

// Of one token to one expert.
struct Choice {
  int32_t expert;
  float weight;
};

class Router {
 public:
  // gate [hidden, routed] and the bias [routed] are constants, the bias only where scores are sigmoids.
  Router(const Info& info, size_t gate_index, size_t bias_index, size_t hidden, size_t experts, size_t chosen);

  // [tokens][chosen], of each token in no particular order.
  std::vector<Choice> route(const Context& context, const float* x, size_t tokens) const;

 private:
  void choose(const float* logits, Choice* out) const;

  const RouterKernels& kernels_;
  const size_t hidden_, chosen_, shared_, routed_;
  const bool sigmoid_, renormalize_;
  const float scaling_;
  const float *gate_ = nullptr, *bias_ = nullptr;
};

// The k highest of `count` values, the first of equals first; NaN is below everything.
void highest(const float* values, size_t count, size_t k, std::vector<int32_t>& chosen);

}  // namespace dsvl2
