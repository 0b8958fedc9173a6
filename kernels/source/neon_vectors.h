// Vectors that the NEON kernels of attention and of columns share.
#pragma once
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "compiler.h"

namespace dsvl2::neon {
namespace {  // each file that includes this has its own

struct Vectors {
  using Vector = float32x4_t;
  static constexpr size_t kWidth = 4, kVectors = 4, kTile = 4, kScoreRows = 4, kMixHeads = 8;

  static DSVL2_INLINE Vector zero() { return vdupq_n_f32(0); }
  static DSVL2_INLINE Vector set1(float x) { return vdupq_n_f32(x); }
  static DSVL2_INLINE Vector load(const float* at) { return vld1q_f32(at); }
  static DSVL2_INLINE void store(float* at, Vector v) { vst1q_f32(at, v); }
  static DSVL2_INLINE Vector load_first(const float* at, size_t n) {
    if (n >= 4) return load(at);
    float values[4] = {};
    for (size_t i = 0; i < n; ++i) values[i] = at[i];
    return load(values);
  }
  static DSVL2_INLINE void store_first(float* at, Vector v, size_t n) {
    if (n >= 4) return store(at, v);
    float values[4];
    store(values, v);
    for (size_t i = 0; i < n; ++i) at[i] = values[i];
  }
  static DSVL2_INLINE Vector first_or(Vector v, size_t n, Vector otherwise) {
    const uint32_t numbers[4] = {0, 1, 2, 3};
    return vbslq_f32(vcltq_u32(vld1q_u32(numbers), vdupq_n_u32(n < 4 ? uint32_t(n) : 4)), v, otherwise);
  }
  static DSVL2_INLINE Vector load_int8(const int8_t* at) {
    int32_t four[4];
    for (size_t i = 0; i < 4; ++i) four[i] = at[i];
    return vcvtq_f32_s32(vld1q_s32(four));
  }
  static DSVL2_INLINE Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
  static DSVL2_INLINE Vector sub(Vector a, Vector b) { return vsubq_f32(a, b); }
  static DSVL2_INLINE Vector mul(Vector a, Vector b) { return vmulq_f32(a, b); }
  static DSVL2_INLINE Vector div(Vector a, Vector b) { return vdivq_f32(a, b); }
  static DSVL2_INLINE Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
  // Of a NaN in `a` it is NaN, of one in `b` it is `a`, as on other processors.
  static DSVL2_INLINE Vector max(Vector a, Vector b) { return vbslq_f32(vcgtq_f32(b, a), b, a); }
  static DSVL2_INLINE Vector min(Vector a, Vector b) { return vbslq_f32(vcltq_f32(b, a), b, a); }
  static DSVL2_INLINE Vector from_sum(const int32_t* a, const int32_t* b) {
    return vcvtq_f32_s32(vaddq_s32(vld1q_s32(a), vld1q_s32(b)));
  }
  static DSVL2_INLINE Vector round(Vector x) { return vrndnq_f32(x); }
  static DSVL2_INLINE Vector times_power(Vector p, Vector n) {
    const int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23);
    return vmulq_f32(p, vreinterpretq_f32_s32(exponent));
  }
  static DSVL2_INLINE float largest(Vector v) { return vmaxvq_f32(v); }
  static DSVL2_INLINE float least(Vector v) { return vminvq_f32(v); }
  // Lanes i and i + 2, then both: the order of sums that blocks.h promises.
  static DSVL2_INLINE float total(Vector v) {
    const float32x2_t s = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
  }
  static DSVL2_INLINE float total_of_16(const Vector* v) {
    return total(vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3])));
  }
  static DSVL2_INLINE void transpose(Vector r[4]) {
    const float32x4x2_t a = vtrnq_f32(r[0], r[1]), b = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
  }
};

}  // namespace
}  // namespace dsvl2::neon
