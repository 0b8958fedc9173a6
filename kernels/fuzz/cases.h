// What the fuzz driver feeds: operators with tensors that fit, and ways to spoil them.
#pragma once
#include <algorithm>
#include <cmath>
#include <random>

#include "fake_ort.h"

namespace fuzz {

struct Input {
  std::unique_ptr<OrtValue> value;  // null where it is left out
  bool constant = false;
};

struct Case {
  std::string name;
  std::map<std::string, int64_t> attributes;
  std::map<std::string, float> reals;
  std::vector<Input> inputs;
  size_t threads = 1;
  float tolerance = 0;  // between levels, relative to the largest value; 0 for the same bits
};

using Random = std::mt19937;

inline int64_t between(Random& random, int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(random);
}

inline Input floats(Random& random, std::vector<int64_t> dims, bool constant, float spread = 1) {
  auto value = std::make_unique<OrtValue>(ort::kFloat, std::move(dims));
  std::normal_distribution<float> normal(0, spread);
  for (size_t i = 0; i < value->length / 4; ++i) value->floats()[i] = normal(random);
  return {std::move(value), constant};
}

inline Input bytes(Random& random, std::vector<int64_t> dims, int type = ort::kUint8) {
  auto value = std::make_unique<OrtValue>(type, std::move(dims));
  for (size_t i = 0; i < value->length; ++i) value->bytes[i] = uint8_t(random());
  return {std::move(value), true};
}

// Rows of a cache, of one type or the other.
inline Input rows(Random& random, std::vector<int64_t> dims, int type) {
  if (type == ort::kFloat) return floats(random, std::move(dims), false);
  const Input wide = floats(random, dims, false);
  auto value = std::make_unique<OrtValue>(type, std::move(dims));
  for (size_t i = 0; i < value->length / 2; ++i) std::memcpy(value->bytes.get() + 2 * i, wide.value->bytes.get() + 4 * i + 2, 2);
  return {std::move(value), false};
}

inline Case linear(Random& random) {
  const int64_t bits = between(random, 0, 1) ? 4 : 8, block = int64_t(16) << between(random, 0, 4);
  const int64_t n = between(random, 1, 70), k = between(random, 1, 600), rows = between(random, 0, 20);
  const int64_t blocks = (k + block - 1) / block;
  Case c;
  c.name = "BlockLinear";
  c.attributes = {{"N", n}, {"K", k}, {"bits", bits}, {"block_size", block}};
  c.inputs.push_back(floats(random, {1, rows, k}, false));
  c.inputs.push_back(bytes(random, {n, blocks, block * bits / 8}));
  c.inputs.push_back(floats(random, {n * blocks}, true, 0.1f));
  if (between(random, 0, 1)) return c;
  c.reals = {{"epsilon", 1e-6f}};
  c.inputs.push_back(between(random, 0, 1) ? floats(random, {k}, true) : Input{});
  c.inputs.push_back(between(random, 0, 1) ? floats(random, {1, rows, n}, false) : Input{});
  return c;
}

inline Case experts(Random& random) {
  const int64_t bits = between(random, 0, 1) ? 4 : 8, block = int64_t(16) << between(random, 0, 2);
  const int64_t count = between(random, 1, 6), hidden = between(random, 1, 200), inner = block * between(random, 1, 4);
  const int64_t tokens = between(random, 0, 30), blocks = (hidden + block - 1) / block, chosen = between(random, 1, count);
  const bool gate = between(random, 0, 1), sigmoid = gate && between(random, 0, 1);
  const int64_t shared = gate ? between(random, 0, chosen - 1) : 0;
  Case c;
  c.name = "Experts";
  c.attributes = {{"k", chosen},     {"bits", bits},       {"block_size", block},
                  {"shared", shared}, {"sigmoid", sigmoid}, {"renormalize", between(random, 0, 1)}};
  c.reals = {{"epsilon", 1e-6f}, {"scaling", 2.5f}};
  c.inputs.push_back(floats(random, {1, tokens, hidden}, false));
  for (int i = 0; i < 2; ++i) c.inputs.push_back(gate ? Input{} : floats(random, {tokens, count}, false));
  c.inputs.push_back(bytes(random, {count, 2 * inner, blocks * block * bits / 8}));
  c.inputs.push_back(floats(random, {count, 2 * inner, blocks}, true, 0.1f));
  c.inputs.push_back(bytes(random, {count, hidden, inner * bits / 8}));
  c.inputs.push_back(floats(random, {count, hidden, inner / block}, true, 0.1f));
  c.inputs.push_back(between(random, 0, 1) ? floats(random, {hidden}, true) : Input{});
  c.inputs.push_back(between(random, 0, 1) ? floats(random, {1, tokens, hidden}, false) : Input{});
  c.inputs.push_back(gate ? floats(random, {hidden, count - shared}, true) : Input{});
  c.inputs.push_back(sigmoid ? floats(random, {count - shared}, true) : Input{});
  return c;
}

inline Input positions(Random& random, int64_t count, int64_t below) {
  auto value = std::make_unique<OrtValue>(ort::kInt64, std::vector<int64_t>{1, count});
  for (int64_t i = 0; i < count; ++i) reinterpret_cast<int64_t*>(value->bytes.get())[i] = between(random, 0, below - 1);
  return {std::move(value), false};
}

inline Case latent_inputs(Random& random) {
  const int64_t heads = between(random, 1, 20), nope = between(random, 1, 20), pairs = between(random, 1, 10);
  const int64_t rank = between(random, 1, 70), seq = between(random, 0, 20), most = between(random, 1, 40);
  Case c;
  c.name = "LatentInputs";
  c.attributes = {{"heads", heads}};
  c.reals = {{"epsilon", 1e-6f}};
  c.inputs.push_back(floats(random, {1, seq, heads * nope + (heads + 1) * 2 * pairs + rank}, false));
  c.inputs.push_back(floats(random, {rank}, true));
  c.inputs.push_back(positions(random, seq, most));
  for (int i = 0; i < 2; ++i) c.inputs.push_back(floats(random, {most, pairs}, between(random, 0, 1)));
  return c;
}

inline Case latent_step(Random& random) {
  const int64_t heads = between(random, 1, 20), nope = between(random, 1, 20), rope = between(random, 1, 10);
  const int64_t rank = between(random, 1, 70), width = between(random, 1, 40), past = between(random, 0, 150);
  const int64_t seq = between(random, 0, 1) ? 1 : between(random, 0, 9);
  const int type = between(random, 0, 3) ? ort::kBfloat16 : ort::kFloat;
  Case c;
  c.name = "LatentStep";
  c.tolerance = 1e-4f;
  c.inputs.push_back(floats(random, {1, seq, heads * nope}, false));
  c.inputs.push_back(floats(random, {seq * heads, rope}, false));
  c.inputs.push_back(rows(random, {past, rank + rope}, type));
  c.inputs.push_back(rows(random, {seq, rank + rope}, type));
  c.inputs.push_back(bytes(random, {heads, nope, rank}, ort::kInt8));
  c.inputs.push_back(floats(random, {heads, 1, rank}, true, 0.01f));
  c.inputs.push_back(bytes(random, {heads, rank, width}, ort::kInt8));
  c.inputs.push_back(floats(random, {heads, 1, width}, true, 0.01f));
  return c;
}

inline Case latent_prompt(Random& random) {
  const int64_t heads = between(random, 1, 5), nope = between(random, 1, 40), rope = between(random, 1, 10);
  const int64_t rank = between(random, 1, 20), width = between(random, 1, 80), past = between(random, 0, 80);
  const int64_t seq = between(random, 0, 90), total = past + seq;
  Case c;
  c.name = "LatentPrompt";
  c.tolerance = 1e-4f;
  c.attributes = {{"heads", heads}};
  c.inputs.push_back(floats(random, {1, seq, heads * nope}, false));
  c.inputs.push_back(floats(random, {seq * heads, rope}, false));
  c.inputs.push_back(floats(random, {total, heads * (nope + width)}, false));
  c.inputs.push_back(floats(random, {total, rank + rope}, false));
  return c;
}

inline Case plain_step(Random& random) {
  const int64_t heads = between(random, 1, 5), width = between(random, 1, 70), row = heads * width;
  const int64_t past = between(random, 0, 3) ? between(random, 0, 150) : 0;
  const int64_t seq = between(random, 0, 1) ? 1 : between(random, 0, 3) ? between(random, 0, 20) : between(random, 60, 70);
  Case c;
  c.name = "PlainStep";
  c.inputs.push_back(floats(random, {1, heads, seq, width}, false, between(random, 0, 3) ? 1.f : 100.f));
  for (int i = 0; i < 2; ++i) {
    c.inputs.push_back(floats(random, {past, row}, false));
    c.inputs.push_back(floats(random, {seq, row}, false));
  }
  return c;
}

inline Case columns(Random& random) {
  int64_t depth = between(random, 1, 150), width = between(random, 1, 80), rows = between(random, 0, 70);
  switch (between(random, 0, 29)) {
    case 0:  // deeper than what stays in the first cache, and more rows than pass under a weight at a time
      depth = between(random, 1281, 2700), width = between(random, 1, 70), rows = between(random, 0, 420);
      break;
    case 1:  // results past the caches
      depth = between(random, 1, 5), width = 16 * between(random, 60, 66), rows = between(random, 1050, 1150);
      break;
    default: break;
  }
  Case c;
  c.name = "ColumnLinear";
  c.attributes = {{"gelu", between(random, 0, 1)}};
  c.reals = {{"epsilon", 1e-6f}};
  c.inputs.push_back(floats(random, {1, rows, depth}, false));
  c.inputs.push_back(bytes(random, {depth, width}, ort::kInt8));
  c.inputs.push_back(floats(random, {width}, true, 0.01f));
  const bool norm = between(random, 0, 1), residual = between(random, 0, 1), range = between(random, 0, 1);
  c.inputs.push_back(between(random, 0, 1) ? floats(random, {width}, true) : Input{});
  for (int i = 0; i < 2; ++i) c.inputs.push_back(norm ? floats(random, {depth}, true) : Input{});
  c.inputs.push_back(residual ? floats(random, {1, rows, width}, false) : Input{});
  c.inputs.push_back(range ? floats(random, {2}, false, 3) : Input{});
  return c;
}

inline Case patches(Random& random) {
  const int64_t heads = between(random, 1, 2), head = between(random, 1, 90), count = between(random, 0, 70);
  Case c;
  c.name = "VisionAttention";
  c.tolerance = 0.02f;  // AMX multiplies bf16
  c.attributes = {{"heads", heads}};
  c.inputs.push_back(floats(random, {between(random, 0, 2), count, 3 * heads * head}, false));
  return c;
}

inline Case draw(Random& random) {
  using Maker = Case (*)(Random&);
  const Maker makers[] = {linear, experts, latent_inputs, latent_step, latent_prompt, plain_step, columns, patches};
  Case c = makers[between(random, 0, 7)](random);
  c.threads = size_t(between(random, 1, 4));
  return c;
}

// Other values of the same type and another shape.
inline Input again(Random& random, const std::vector<int64_t>& dims, const Input& input) {
  const int type = input.value->info.type;
  if (type == ort::kBfloat16) return rows(random, dims, type);
  return type == ort::kFloat ? floats(random, dims, input.constant) : bytes(random, dims, type);
}

// One change that makes sizes, attributes or values wrong, or nearly so.
inline void spoil(Case& c, Random& random) {
  Input& input = c.inputs[size_t(between(random, 0, int64_t(c.inputs.size()) - 1))];
  if (!input.value) {  // something where nothing has to be
    input = floats(random, {between(random, 0, 200)}, between(random, 0, 1));
    return;
  }
  if (between(random, 0, 9) == 0) {  // or the other way round; of what has to be there, ONNX Runtime asks itself
    if ((c.name == "ColumnLinear" || c.name == "BlockLinear") && &input - c.inputs.data() >= 3) input = Input{};
    if (c.name == "Experts" && &input - c.inputs.data() >= 1) input = Input{};
    return;
  }
  const int64_t wild[] = {0, -1, 1, 3, 7, 64, 1000, int64_t(1) << 31, int64_t(1) << 40, INT64_MAX, INT64_MIN};
  const auto any = [&] { return wild[size_t(between(random, 0, 10))]; };
  switch (between(random, 0, 4)) {
    case 0: {  // another attribute
      if (c.attributes.empty()) return;
      auto at = c.attributes.begin();
      std::advance(at, between(random, 0, int64_t(c.attributes.size()) - 1));
      at->second = any();
      return;
    }
    case 1: {  // an axis shorter or longer; the data stays as long as the new shape says
      std::vector<int64_t> dims = input.value->info.dims;
      if (dims.empty()) return;
      int64_t& axis = dims[size_t(between(random, 0, int64_t(dims.size()) - 1))];
      axis = std::max<int64_t>(0, axis + between(random, -2, 2));
      input = again(random, dims, input);
      return;
    }
    case 2:  // an axis more or less
      if (between(random, 0, 1)) {
        input.value->info.dims.push_back(1);
      } else if (!input.value->info.dims.empty()) {
        std::vector<int64_t> dims = input.value->info.dims;
        dims.pop_back();
        input = again(random, dims, input);
      }
      return;
    case 3:  // a constant that is none, or the other way round
      input.constant = !input.constant;
      return;
    default: {  // a value that is no number, or rows of two types
      if (input.value->info.type == ort::kBfloat16 && input.value->length > 0) {
        const uint16_t values[] = {0x7fc0, 0x7f80, 0xff80, 0x7f7f, 0x0001};
        const size_t at = size_t(between(random, 0, int64_t(input.value->length / 2) - 1));
        std::memcpy(input.value->bytes.get() + 2 * at, &values[size_t(between(random, 0, 4))], 2);
        if (between(random, 0, 1)) input = floats(random, input.value->info.dims, false);
        return;
      }
      if (input.value->info.type != ort::kFloat || input.value->length == 0) return;
      const float values[] = {NAN, INFINITY, -INFINITY, 3e38f, 1e-42f};
      const size_t at = size_t(between(random, 0, int64_t(input.value->length / 4) - 1));
      input.value->floats()[at] = values[size_t(between(random, 0, 4))];
    }
  }
}

}  // namespace fuzz
