// Experts(x [.., hidden] f32, choice [tokens, experts] f32, weights [tokens, experts] f32, gate_up u8, scales f32, down u8,
// scales f32; k, bits, block_size) -> [.., hidden] f32: the part of `QMoE` that the decoder uses.
//
// Each token goes to the k experts of highest choice, the first of equals, and y = sum of weight * down(silu(gate x) * up x)
// over them in the order of the experts. gate_up is [experts, 2 * intermediate, bytes] with rows g0, u0, g1, u1, ..; down is
// [experts, hidden, bytes].
#pragma once
#include "block_weight.h"
#include "levels.h"

namespace dsvl2 {

class Experts {
 public:
  static constexpr const char* kName = "Experts";
  static constexpr int kInputs[] = {ort::kFloat, ort::kFloat, ort::kFloat, ort::kUint8, ort::kFloat, ort::kUint8, ort::kFloat};

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
  Routes route(const Context& context, const Tensor& choice, const Tensor& weights, size_t tokens) const;
  std::vector<Piece> pieces(const Routes& routes) const;

  const BlockKernels& kernels_;
  const size_t k_;
  const BlockWeight gate_up_, down_;
};

}  // namespace dsvl2
