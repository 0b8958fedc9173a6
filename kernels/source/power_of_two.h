// 2^x with an error of 2e-7, the same bits on every level; below 2^-126 it is that.
#pragma once
#include <cmath>
#include <cstddef>

#include "compiler.h"

namespace dsvl2 {

namespace power {
constexpr float kLowest = -126.f;
constexpr float kPolynomial[] = {1.5403530e-4f, 1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f,
                                 2.4022651e-1f, 6.9314718e-1f, 1.f};
}  // namespace power

// For vectors `V` of an instruction set; what is no number stays none.
template <class V>
DSVL2_INLINE typename V::Vector power_of_two(typename V::Vector x) {
  using Vector = typename V::Vector;
  x = V::max(x, V::set1(power::kLowest));
  const Vector n = V::round(x), r = V::sub(x, n);
  Vector p = V::set1(power::kPolynomial[0]);
  DSVL2_UNROLL(6)
  for (size_t i = 1; i < 7; ++i) p = V::fma(p, r, V::set1(power::kPolynomial[i]));
  return V::times_power(p, n);
}

namespace reference {

DSVL2_INLINE float power_of_two(float x) {
  if (x != x) return x;
  x = x > power::kLowest ? x : power::kLowest;
  const float n = std::nearbyint(x), r = x - n;
  float p = power::kPolynomial[0];
  for (size_t i = 1; i < 7; ++i) p = std::fma(p, r, power::kPolynomial[i]);
  return std::ldexp(p, int(n));
}

}  // namespace reference
}  // namespace dsvl2
