// Rows of activations in int8, and scratch that a thread keeps between calls.
#pragma once
#include <cstring>
#include <memory>
#include <new>

#include "blocks.h"
#include "operator.h"

namespace dsvl2 {

// Memory that begins on a cache line; never initialised.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count = 0) { grow(count); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(); }

  // At least `count` elements; what was in it is lost where it grows.
  T* grow(size_t count) {
    if (count > count_) {
      release();
      data_ = static_cast<T*>(::operator new(product("scratch", {count, sizeof(T)}), std::align_val_t(64)));
      count_ = count;
    }
    return data_;
  }
  T* data() const { return data_; }

 private:
  void release() {
    if (data_) ::operator delete(data_, std::align_val_t(64));
    data_ = nullptr;
    count_ = 0;
  }
  T* data_ = nullptr;
  size_t count_ = 0;
};

// `rows` records of one layout.
class Records {
 public:
  Records(const Layout& layout, size_t rows)
      : layout(layout), bytes_(product("activations", {rows, layout.stride})), rows_(rows) {}

  // Lanes beyond the last block count nothing; call it before anything is quantised into the record.
  uint8_t* clear(size_t row) {
    uint8_t* const at = record(row);
    const size_t begin = layout.blocks * 4, end = round_up(layout.blocks, kLanes) * 4;
    std::memset(at + layout.scales + begin, 0, end - begin);
    std::memset(at + layout.starts + begin, 0, end - begin);
    return at;
  }
  uint8_t* record(size_t row) const { return bytes_.data() + row * layout.stride; }
  size_t rows() const { return rows_; }

  const Layout layout;

 private:
  Buffer<uint8_t> bytes_;
  size_t rows_;
};

inline Panel* panel_scratch() {
  thread_local Buffer<Panel> panel(1);
  return panel.data();
}

inline float* float_scratch(size_t count) {
  thread_local Buffer<float> floats;
  return floats.grow(count);
}

inline uint8_t* byte_scratch(size_t count) {
  thread_local Buffer<uint8_t> bytes;
  return bytes.grow(count);
}

// In how many pieces rows of activations pass under a weight, so that a piece stays in the second-level cache.
inline size_t pieces_of(size_t rows, size_t stride) {
  constexpr size_t kPieceBytes = 480 << 10;
  return std::max<size_t>(1, (rows * stride + kPieceBytes - 1) / kPieceBytes);
}

}  // namespace dsvl2
