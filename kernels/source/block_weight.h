// A weight in blocks as a constant of the graph: its sizes checked when the operator is created, its scales before they
// are used for the first time.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "blocks.h"
#include "operator.h"

namespace dsvl2 {

// Whether no value is NaN or infinite. In integers, whose sum may be formed in any order, and so in vectors: adding one float
// after the other took 40 percent as long as the first product of a token with the weight.
inline bool all_finite(const float* values, size_t count) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t wild = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    wild |= (bits & kExponent) == kExponent;
  }
  return wild == 0;
}

// `count` matrices [rows, in_features], such as experts.
class BlockWeight {
 public:
  BlockWeight(const Info& info, size_t packed_index, const char* what, size_t count, size_t rows, size_t in_features,
              size_t bits, size_t block)
      : bits(bits), block(block), blocks((in_features + block - 1) / block), in_features(in_features), count(count), rows(rows),
        name_(std::string(info.name) + ": " + what) {
    require(bits == 4 || bits == 8, name_ + " has " + std::to_string(bits) + " bits; there are kernels for 4 and 8");
    require(block >= 16 && block <= kLargestBlock && (block & (block - 1)) == 0,
            name_ + " has blocks of " + std::to_string(block) + "; they must be a power of two from 16 to 256");
    require(count > 0 && rows > 0 && in_features > 0, name_ + " is empty");
    const Tensor packed = info.constant(packed_index, ort::kUint8, what);
    const Tensor scales = info.constant(packed_index + 1, ort::kFloat, (std::string("the scales of ") + what).c_str());
    row_bytes_ = product(name_, {blocks, block}) * bits / 8;
    const size_t bytes = product(name_, {count, rows, row_bytes_}), number = product(name_, {count, rows, blocks});
    require(packed.count() == bytes, name_ + " has the shape " + packed.shape() + ", but its sizes ask for " +
                                         std::to_string(bytes) + " bytes");
    require(scales.count() == number, "the scales of " + name_ + " have the shape " + scales.shape() +
                                          ", but its sizes ask for " + std::to_string(number));
    packed_ = packed.as<const uint8_t>();
    scales_ = scales.as<const float>();
    checked_.reset(new std::atomic<bool>[count]);
    for (size_t i = 0; i < count; ++i) checked_[i] = false;
  }

  // Matrix `index`, for any of its rows. The first time its scales are read once more than needed: NaN and infinity are
  // refused here, not found in an answer.
  Weights matrix(size_t index) const {
    const Weights w{packed_ + index * rows * row_bytes_, scales_ + index * rows * blocks, rows, row_bytes_};
    if (!checked_[index].load(std::memory_order_relaxed)) {
      require(all_finite(w.scales, rows * blocks), name_ + " has a scale that is not finite");
      checked_[index].store(true, std::memory_order_relaxed);
    }
    return w;
  }
  Layout layout() const { return Layout(bits, block, blocks); }

  const size_t bits, block, blocks, in_features, count, rows;

 private:
  const std::string name_;
  const uint8_t* packed_ = nullptr;
  const float* scales_ = nullptr;
  size_t row_bytes_ = 0;
  std::unique_ptr<std::atomic<bool>[]> checked_;
};

}  // namespace dsvl2
