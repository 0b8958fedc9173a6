// All kernels with NEON and dot products of bytes (`sdot`): processors of telephones and Macs, and Arm servers.
#include <cmath>
#include <cstring>

#include "attention_kernels.h"
#include "blocks.h"
#include "column_kernels.h"
#include "neon_vectors.h"
#include "plain_step_kernels.h"
#include "router_kernels.h"

namespace dsvl2::neon {
namespace {

// ------------------------------------------------------------------------------------------------------ columns

// `sdot` multiplies signed bytes, so a record holds activations minus 128, and a sum begins with what that leaves out.
struct ColumnVectors : Vectors {
  static constexpr size_t kValueBytes = 1;
  static DSVL2_INLINE float square_root(float x) { return std::sqrt(x); }
  static DSVL2_INLINE void store_integers(uint8_t* at, Vector v) {
    const int32x4_t integers = vcvtnq_s32_f32(v);
    for (int i = 0; i < 4; ++i) {
      int32_t four[4];
      vst1q_s32(four, integers);
      at[i] = uint8_t(four[i] ^ 128);
    }
  }
};

constexpr size_t kPart = 16;  // columns at a time

// As [part of 16 columns][groups of 4][16 columns][4].
void pack(const ColumnWeights& w, size_t first, size_t columns, uint8_t* panel, int32_t* sums) {
  const size_t padded = round_up(w.depth, kDepthUnit);
  std::memset(panel, 0, padded * kColumns);
  std::memset(sums, 0, kColumns * sizeof *sums);
  for (size_t k = 0; k < w.depth; ++k)
    for (size_t n = 0; n < columns; ++n) {
      const int8_t value = w.values[k * w.width + first + n];
      panel[n / kPart * padded * kPart + k / 4 * 4 * kPart + n % kPart * 4 + k % 4] = uint8_t(value);
      sums[n] += value;
    }
}

template <size_t R>
void column_tile(const int8_t* panel, size_t groups, const uint8_t* records, size_t stride, const int32x4_t* starts, int32_t* sums) {
  int32x4_t s[R][4];
  for (size_t i = 0; i < R; ++i)
    for (size_t j = 0; j < 4; ++j) s[i][j] = starts[j];
  for (size_t g = 0; g < groups; ++g, panel += 4 * kPart, records += 4) {
    int8x16_t w[4];
    DSVL2_UNROLL(4)
    for (size_t j = 0; j < 4; ++j) w[j] = vld1q_s8(panel + 16 * j);
    DSVL2_UNROLL(4)
    for (size_t i = 0; i < R; ++i) {
      int32_t four;
      std::memcpy(&four, records + i * stride, 4);
      const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(four));
      DSVL2_UNROLL(4)
      for (size_t j = 0; j < 4; ++j) s[i][j] = vdotq_s32(s[i][j], w[j], a);
    }
  }
  for (size_t i = 0; i < R; ++i)
    for (size_t j = 0; j < 4; ++j) vst1q_s32(sums + i * kColumns + 4 * j, s[i][j]);
}

void column_product(const uint8_t* panel, size_t depth, const uint8_t* records, size_t count, int32_t* sums) {
  for (size_t column = 0; column < kColumns; column += kPart) {
    const auto* const w = reinterpret_cast<const int8_t*>(panel) + column * depth;
    // 128 times the sum of each column.
    int32x4_t starts[4] = {};
    for (size_t g = 0; g < depth / 4; ++g)
      for (size_t j = 0; j < 4; ++j)
        starts[j] = vdotq_s32(starts[j], vld1q_s8(w + g * 4 * kPart + 16 * j), vdupq_n_s8(1));
    for (int32x4_t& start : starts) start = vshlq_n_s32(start, 7);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) column_tile<4>(w, depth / 4, records + i * depth, depth, starts, sums + i * kColumns + column);
    for (; i < count; ++i) column_tile<1>(w, depth / 4, records + i * depth, depth, starts, sums + i * kColumns + column);
  }
}

// ------------------------------------------------------------------------------------------------------- blocks

void quantize(const float* x, size_t count, const Layout& layout, size_t first_block, uint8_t* record) {
  auto* const values = reinterpret_cast<int8_t*>(record);
  auto* const scales = reinterpret_cast<float*>(record + layout.scales);
  auto* const starts = reinterpret_cast<int32_t*>(record + layout.starts);
  const int32_t zero_point = layout.bits == 4 ? 8 : 128;
  for (size_t b = first_block, begin = 0; begin < count; ++b, begin += layout.block) {
    const size_t here = count - begin < layout.block ? count - begin : layout.block;
    // Magnitudes compare like integers, and what is not finite is above everything else.
    uint32x4_t largest = vdupq_n_u32(0);
    for (size_t i = 0; i < here; i += 4)
      largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(Vectors::load_first(x + begin + i, here - i)), vdupq_n_u32(0x7fffffff)));
    const uint32_t bits = vmaxvq_u32(largest);
    float most;
    std::memcpy(&most, &bits, sizeof most);
    const bool finite = bits < 0x7f800000, zero = !finite || most < kSmallestBlockMaximum;
    const float32x4_t inverse = vdupq_n_f32(zero ? 0.f : 127.f / most);
    int32_t sum = 0;
    for (size_t i = 0; i < layout.block; i += 4) {
      int32_t four[4] = {};
      if (i < here && !zero) vst1q_s32(four, vcvtnq_s32_f32(vmulq_f32(Vectors::load_first(x + begin + i, here - i), inverse)));
      for (size_t j = 0; j < 4; ++j) {
        const size_t position = b * layout.block + i + j;
        values[layout.bits == 8 ? position : position / 2 + (position % 2 ? layout.odd : 0)] = int8_t(four[j]);
        sum += four[j];
      }
    }
    scales[b] = !finite ? NAN : zero ? 0.f : most / 127.f;
    starts[b] = -zero_point * sum;
  }
}

// The exact sum of one block, with what the zero point contributes. Weights of 4 bits are taken as they are, of 8 bits
// minus 128.
DSVL2_INLINE int32_t block_sum(const uint8_t* row, const Layout& layout, const uint8_t* record, size_t b) {
  int32x4_t sums = vdupq_n_s32(0);
  if (layout.bits == 8) {
    const size_t at = b * layout.block;
    for (size_t i = 0; i < layout.block; i += 16) {
      const int8x16_t w = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + at + i), vdupq_n_u8(128)));
      sums = vdotq_s32(sums, w, vld1q_s8(reinterpret_cast<const int8_t*>(record) + at + i));
    }
    return vaddvq_s32(sums);
  }
  const size_t half = layout.block / 2, at = b * half;
  const auto* const even = reinterpret_cast<const int8_t*>(record) + at;
  if (half == 8) {
    const uint8x8_t w = vld1_u8(row + at);
    int32x2_t two = vdot_s32(vdup_n_s32(0), vreinterpret_s8_u8(vand_u8(w, vdup_n_u8(15))), vld1_s8(even));
    two = vdot_s32(two, vreinterpret_s8_u8(vshr_n_u8(w, 4)), vld1_s8(even + layout.odd));
    sums = vcombine_s32(two, vdup_n_s32(0));
  }
  for (size_t i = 0; half >= 16 && i < half; i += 16) {
    const uint8x16_t w = vld1q_u8(row + at + i);
    sums = vdotq_s32(sums, vreinterpretq_s8_u8(vandq_u8(w, vdupq_n_u8(15))), vld1q_s8(even + i));
    sums = vdotq_s32(sums, vreinterpretq_s8_u8(vshrq_n_u8(w, 4)), vld1q_s8(even + layout.odd + i));
  }
  int32_t start;
  std::memcpy(&start, record + layout.starts + b * 4, 4);
  return vaddvq_s32(sums) + start;
}

DSVL2_INLINE float scale_of(const uint8_t* record, const Layout& layout, size_t b) {
  float scale;
  std::memcpy(&scale, record + layout.scales + b * 4, 4);
  return scale;
}

void panel_product(const Weights& w, PanelRows panel, const Layout& layout, const uint8_t* records, size_t count, float* c,
                   size_t ldc, size_t columns, Panel*) {
  for (size_t n = 0; n < columns; ++n) {
    const size_t row = panel.row(n);
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* const record = records + i * layout.stride;
      float sum = 0;
      for (size_t b = 0; b < layout.blocks; ++b)
        sum = std::fma(float(block_sum(w.row(row), layout, record, b)),
                       w.scales[row * layout.blocks + b] * scale_of(record, layout, b), sum);
      c[i * ldc + n] = sum;
    }
  }
}

void row_products(const Weights& w, size_t first, size_t count, const Layout& layout, const uint8_t* const* records,
                  size_t record_count, float* y, size_t ldy) {
  for (size_t n = 0; n < count; ++n)
    for (size_t r = 0; r < record_count; ++r) {
      const size_t row = first + n;
      float lanes[kLanes] = {};
      for (size_t b = 0; b < layout.blocks; ++b)
        lanes[b % kLanes] = std::fma(float(block_sum(w.row(row), layout, records[r], b)),
                                     w.scales[row * layout.blocks + b] * scale_of(records[r], layout, b), lanes[b % kLanes]);
      Vectors::Vector v[4];
      for (size_t i = 0; i < 4; ++i) v[i] = vld1q_f32(lanes + 4 * i);
      y[r * ldy + n] = Vectors::total_of_16(v);
    }
}

void swiglu(const float* gate, const float* up, size_t count, float* out) {
  for (size_t i = 0; i < count; i += 4) {
    const float32x4_t g = Vectors::load_first(gate + i, count - i), u = Vectors::load_first(up + i, count - i);
    const float32x4_t e = Columns<ColumnVectors>::exp_of(vsubq_f32(vdupq_n_f32(0), g));
    Vectors::store_first(out + i, vdivq_f32(vmulq_f32(g, u), vaddq_f32(e, vdupq_n_f32(1.f))), count - i);
  }
}

void add_scaled(const float* x, float f, size_t count, float* y) {
  for (size_t i = 0; i < count; i += 4)
    Vectors::store_first(y + i, vfmaq_f32(Vectors::load_first(y + i, count - i), Vectors::load_first(x + i, count - i), vdupq_n_f32(f)),
                         count - i);
}

using ColumnFunctions = Columns<ColumnVectors>;

}  // namespace

const BlockKernels kBlocks = {quantize, panel_product, row_products, swiglu, add_scaled};
const ColumnKernels kColumnKernels = {1,
                                      1,
                                      480 << 10,
                                      ColumnFunctions::measure,
                                      ColumnFunctions::normalize,
                                      ColumnFunctions::quantize,
                                      pack,
                                      ColumnFunctions::multiply<column_product>};
const AttentionKernels kAttention = Attention<Vectors>::kernels();
const RouterKernels kRouter = {RouterProduct<Vectors>::product};
const PlainStepKernels kPlainStep = {PlainStepLoops<Vectors>::weigh, PlainStepLoops<Vectors>::mix};

}  // namespace dsvl2::neon
