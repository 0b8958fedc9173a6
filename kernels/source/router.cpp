#include "router.h"

#include <cmath>

#include "levels.h"
#include "records.h"

namespace dsvl2 {
namespace {

constexpr size_t kTokensAtATime = 16;
constexpr float kLeastSum = 1e-20f;  // added to a sum before it divides

}  // namespace

void highest(const float* values, size_t count, size_t k, std::vector<int32_t>& chosen) {
  chosen.clear();
  std::vector<bool> taken(count);
  for (size_t i = 0; i < k; ++i) {
    size_t best = count;
    for (size_t e = 0; e < count; ++e)
      if (!taken[e] && (best == count || values[e] > values[best] || (values[best] != values[best] && values[e] == values[e])))
        best = e;
    taken[best] = true;
    chosen.push_back(int32_t(best));
  }
}

Router::Router(const Info& info, size_t gate_index, size_t bias_index, size_t hidden, size_t experts, size_t chosen)
    : kernels_(chosen_level().router),
      hidden_(hidden),
      chosen_(chosen),
      shared_(size_t(info.attribute("shared", 0, int64_t(chosen) - 1))),
      routed_(experts - std::min(experts, shared_)),
      sigmoid_(info.attribute("sigmoid", 0, 1) == 1),
      renormalize_(info.attribute("renormalize", 0, 1) == 1),
      scaling_(info.real("scaling", 0.f, 1e6f)) {
  const std::string name = info.name;
  const Tensor gate = info.constant(gate_index, ort::kFloat, "the gate");
  require(gate.rank() == 2 && gate.dim(0) == hidden && gate.dim(1) == routed_ && chosen <= experts,
          name + ": the gate has the shape " + gate.shape() + ", but there are " + std::to_string(hidden) + " features and " +
              std::to_string(routed_) + " experts to choose from");
  gate_ = gate.as<float>();
  if (!sigmoid_) return;
  const Tensor bias = info.constant(bias_index, ort::kFloat, "the bias");
  require(bias.count() == routed_, name + ": the bias has the shape " + bias.shape());
  bias_ = bias.as<float>();
}

void Router::choose(const float* logits, Choice* out) const {
  static thread_local std::vector<float> scores, choice;
  static thread_local std::vector<int32_t> best;
  scores.resize(routed_), choice.resize(routed_);
  float top = logits[0], sum = 0;
  for (size_t e = 1; e < routed_; ++e) top = logits[e] > top ? logits[e] : top;
  for (size_t e = 0; e < routed_; ++e) {
    scores[e] = sigmoid_ ? 1.f / (1.f + std::exp(-logits[e])) : std::exp(logits[e] - top);
    choice[e] = sigmoid_ ? scores[e] + bias_[e] : logits[e];
    sum += scores[e];
  }
  if (!sigmoid_)
    for (float& score : scores) score /= sum;
  const size_t count = chosen_ - shared_;
  highest(choice.data(), routed_, count, best);
  float divisor = 0;
  for (const int32_t e : best) divisor += scores[size_t(e)];
  for (size_t i = 0; i < count; ++i) {
    const float score = scores[size_t(best[i])];
    out[i] = {best[i], (renormalize_ ? score / (divisor + kLeastSum) : score) * scaling_};
  }
  for (size_t i = 0; i < shared_; ++i) out[count + i] = {int32_t(routed_ + i), 1.f};
}

std::vector<Choice> Router::route(const Context& context, const float* x, size_t tokens) const {
  std::vector<Choice> all(tokens * chosen_);
  const size_t pieces = (hidden_ + kRouterDepth - 1) / kRouterDepth;
  const auto multiply = [&](size_t first, size_t count, size_t piece, bool add, float* logits) {
    const size_t k = piece * kRouterDepth;
    kernels_.product(x + first * hidden_ + k, hidden_, count, gate_ + k * routed_, std::min(kRouterDepth, hidden_ - k), routed_,
                     add, logits);
  };
  if (tokens <= kTokensAtATime) {  // the gate comes from memory, a part of it to each thread
    const size_t size = tokens * routed_;
    Buffer<float> sums(product(context.name, {pieces, size}));
    context.parallel(pieces, [&](size_t piece) { multiply(0, tokens, piece, false, sums.data() + piece * size); });
    float* const logits = sums.data();
    for (size_t piece = 1; piece < pieces; ++piece)
      for (size_t i = 0; i < size; ++i) logits[i] += sums.data()[piece * size + i];
    for (size_t t = 0; t < tokens; ++t) choose(logits + t * routed_, &all[t * chosen_]);
    return all;
  }
  context.parallel((tokens + kTokensAtATime - 1) / kTokensAtATime, [&](size_t task) {
    const size_t first = task * kTokensAtATime, count = std::min(kTokensAtATime, tokens - first);
    float* const logits = float_scratch(count * routed_);
    for (size_t piece = 0; piece < pieces; ++piece) multiply(first, count, piece, piece > 0, logits);
    for (size_t t = 0; t < count; ++t) choose(logits + t * routed_, &all[(first + t) * chosen_]);
  });
  return all;
}

}  // namespace dsvl2
