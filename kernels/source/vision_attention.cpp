#include "vision_attention.h"

#include <cmath>

#include "records.h"

namespace dsvl2 {
namespace {

constexpr int64_t kMostHeads = 4096;

}  // namespace

VisionAttention::VisionAttention(const Info& info)
    : kernels_(chosen_level().attention), heads_(size_t(info.attribute("heads", 1, kMostHeads))) {}

void VisionAttention::compute(const Context& context) const {
  const Tensor qkv = context.input(0, ort::kFloat, "qkv");
  require(qkv.rank() == 3 && qkv.dim(2) > 0 && qkv.dim(2) % (3 * heads_) == 0,
          std::string(kName) + ": qkv has the shape " + qkv.shape() + ", which are not queries, keys and values of " +
              std::to_string(heads_) + " heads");
  const size_t tiles = qkv.dim(0), patches = qkv.dim(1), all = qkv.dim(2), width = all / 3, head = width / heads_;
  float* const y = context.output({int64_t(tiles), int64_t(patches), int64_t(width)});
  if (qkv.count() == 0) return;
  context.parallel(product(kName, {tiles, heads_}), [&](size_t task) {
    const size_t first = task / heads_ * patches, column = task % heads_ * head;
    const float* const at = qkv.as<float>() + first * all + column;
    const HeadOfPrompt one{{{at, all, head}, {}},
                           {{at + width, all, head}, {}},
                           {at + 2 * width, all, head},
                           patches,
                           patches,
                           false,
                           0,
                           1.f / std::sqrt(float(head)),
                           y + first * width + column,
                           width};
    kernels_.attend_patches(one, float_scratch(kernels_.patch_scratch(one)));
  });
}

}  // namespace dsvl2
