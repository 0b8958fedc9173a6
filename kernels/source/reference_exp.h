// exp(x) in plain C++, as blocks.h describes it.
#pragma once
#include <cmath>

#include "blocks.h"

namespace dsvl2::reference {

inline float exp_of(float x) {
  using namespace exponential;
  x = x > kLowest ? x : kLowest;
  x = x < kHighest ? x : kHighest;
  const float n = std::nearbyint(x * kLog2e);
  float r = std::fma(-n, kLog2High, x);
  r = std::fma(-n, kLog2Low, r);
  float p = kPolynomial[0];
  for (int i = 1; i < 6; ++i) p = std::fma(p, r, kPolynomial[i]);
  return std::ldexp(std::fma(p * r, r, r + 1.f), int(n));
}

}  // namespace dsvl2::reference
