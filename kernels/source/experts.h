// Experts(x [.., hidden] f32, choice [tokens, experts] f32, weights [tokens, experts] f32, gate_up u8, scales f32, down u8,
//     scales f32, gamma [hidden] f32, residual [.., hidden] f32, gate [hidden, routed] f32, bias [routed] f32;
//     k, bits, block_size, epsilon, shared, sigmoid, renormalize, scaling) -> [.., hidden] f32: what `QMoE` does in the decoder.
//
// Each token goes to the k experts of highest choice, the first of equals, and y = sum of weight * down(silu(gate x) * up x)
// over them in the order of the experts. gate_up is [experts, 2 * intermediate, bytes] with rows g0, u0, g1, u1, ..; down is
// [experts, hidden, bytes].
//
// From version 3 on, each of these may be given: gamma, a constant, where x is normalised first (`norm.h`); a residual that y
// begins with; and instead of choice and weights a gate, with which the tokens' experts are chosen here (`router.h`).
#pragma once
#include "block_weight.h"
#include "levels.h"
#include "norm.h"
#include "router.h"

namespace dsvl2 {

class Experts {
 public:
  static constexpr const char* kName = "Experts";
  static constexpr int kInputs[] = {ort::kFloat, ort::kFloat, ort::kFloat, ort::kUint8, ort::kFloat, ort::kUint8,
                                    ort::kFloat, ort::kFloat, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr size_t kRequiredInputs = 1, kOutputs = 1;

  explicit Experts(const Info& info);
  void compute(const Context& context) const;

 private:
  struct Sizes {
    size_t experts, hidden, intermediate, bits, block;
  };
  struct Route {  // of one token to one expert
    int32_t token;
    float weight;
  };
  struct Routes {
    std::vector<Route> all;              // by expert, tokens in their order
    std::vector<size_t> first;           // of each expert; and the end
    std::vector<size_t> places;          // [tokens, k]: where a token's routes are in `all`
    size_t of(size_t expert) const { return first[expert + 1] - first[expert]; }
  };
  struct Piece {  // routes of one expert that are worked on together
    size_t expert, first, count;
  };

  static Sizes sizes_of(const Info& info);
  Experts(const Info& info, const Sizes& sizes);
  std::vector<Choice> given_choices(const Context& context, size_t tokens) const;
  Routes routes_of(const std::vector<Choice>& choices, size_t tokens) const;
  std::vector<Piece> pieces(const Routes& routes) const;

  const BlockKernels& kernels_;
  const size_t k_;
  const BlockWeight gate_up_, down_;
  const InputNorm norm_;
  std::unique_ptr<const Router> router_;  // none where choice and weights are given
};

}  // namespace dsvl2
