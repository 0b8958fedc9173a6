// Block products in plain C++: what every other instruction set has to equal, bit for bit.
#include <cmath>
#include <cstring>

#include "blocks.h"
#include "reference_exp.h"

namespace dsvl2::reference {
namespace {

int integer(const uint8_t* row, const Layout& layout, size_t position) {
  if (layout.bits == 8) return row[position];
  const uint8_t byte = row[position / 2];
  return position % 2 ? byte >> 4 : byte & 15;
}

int8_t activation(const uint8_t* record, const Layout& layout, size_t position) {
  const auto* values = reinterpret_cast<const int8_t*>(record);
  if (layout.bits == 8) return values[position];
  return values[position / 2 + (position % 2 ? layout.odd : 0)];
}

// One block's integer sum as fp32, and what it is multiplied by.
float block_sum(const uint8_t* row, const Layout& layout, const uint8_t* record, size_t b) {
  int32_t sum;
  std::memcpy(&sum, record + layout.starts + b * sizeof sum, sizeof sum);
  for (size_t i = b * layout.block; i < (b + 1) * layout.block; ++i)
    sum += integer(row, layout, i) * activation(record, layout, i);
  return float(sum);
}

float scale_of(const uint8_t* record, const Layout& layout, size_t b) {
  float scale;
  std::memcpy(&scale, record + layout.scales + b * sizeof scale, sizeof scale);
  return scale;
}

void quantize(const float* x, size_t count, const Layout& layout, size_t first_block, uint8_t* record) {
  auto* values = reinterpret_cast<int8_t*>(record);
  auto* scales = reinterpret_cast<float*>(record + layout.scales);
  auto* starts = reinterpret_cast<int32_t*>(record + layout.starts);
  const int32_t zero_point = layout.bits == 4 ? 8 : 128;
  for (size_t b = first_block, begin = 0; begin < count; ++b, begin += layout.block) {
    const size_t here = count - begin < layout.block ? count - begin : layout.block;
    float most = 0;
    bool finite = true;
    for (size_t i = 0; i < here; ++i) {
      finite &= std::isfinite(x[begin + i]);
      most = std::fmax(most, std::fabs(x[begin + i]));
    }
    const bool zero = !finite || most < kSmallestBlockMaximum;
    const float inverse = zero ? 0.f : 127.f / most;
    int32_t sum = 0;
    for (size_t i = 0; i < layout.block; ++i) {
      const auto value = int8_t(i < here && !zero ? std::nearbyint(x[begin + i] * inverse) : 0);
      const size_t position = b * layout.block + i;
      values[layout.bits == 8 ? position : position / 2 + (position % 2 ? layout.odd : 0)] = value;
      sum += value;
    }
    scales[b] = !finite ? NAN : zero ? 0.f : most / 127.f;
    starts[b] = -zero_point * sum;
  }
}

void panel_product(const Weights& w, PanelRows panel, const Layout& layout, const uint8_t* records, size_t count, float* c,
                   size_t ldc, size_t columns, Panel*) {
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* record = records + i * layout.stride;
    for (size_t n = 0; n < columns; ++n) {
      const size_t row = panel.row(n);
      float sum = 0;
      for (size_t b = 0; b < layout.blocks; ++b)
        sum = std::fma(block_sum(w.row(row), layout, record, b),
                       w.scales[row * layout.blocks + b] * scale_of(record, layout, b), sum);
      c[i * ldc + n] = sum;
    }
  }
}

void row_products(const Weights& w, size_t first, size_t count, const Layout& layout, const uint8_t* const* records,
                  size_t record_count, float* y, size_t ldy) {
  for (size_t r = 0; r < record_count; ++r)
    for (size_t n = 0; n < count; ++n) {
      const size_t row = first + n;
      float lanes[kLanes] = {};
      for (size_t b = 0; b < layout.blocks; ++b)
        lanes[b % kLanes] = std::fma(block_sum(w.row(row), layout, records[r], b),
                                     w.scales[row * layout.blocks + b] * scale_of(records[r], layout, b), lanes[b % kLanes]);
      for (size_t width = kLanes / 2; width > 0; width /= 2)
        for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
      y[r * ldy + n] = lanes[0];
    }
}

void swiglu(const float* gate, const float* up, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = gate[i] * up[i] / (exp_of(-gate[i]) + 1.f);
}

void add_scaled(const float* x, float f, size_t count, float* y) {
  for (size_t i = 0; i < count; ++i) y[i] = std::fma(x[i], f, y[i]);
}

}  // namespace

const BlockKernels kBlocks = {quantize, panel_product, row_products, swiglu, add_scaled};

}  // namespace dsvl2::reference
