// Activations on vectors, and their derivatives, for results that become a T: GELU in GPT-2's tanh form, and SiLU.
#pragma once

#include "kernels/cpu/simd.h"

namespace burgeon::BURGEON_ISA {

template <class T>
BURGEON_INLINE Vec sigmoid(Vec x) {
  return quotient_for<T>(splat(1), 1.0f + exponential_for<T>(-x));
}

constexpr float kTwoRootTwoOverPi = 1.5957691216057308f;
constexpr float kGeluCubic = 0.044715f;

// (1 + tanh(u)) / 2 is the logistic function of 2u, so GELU is x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)).
BURGEON_INLINE Vec gelu_argument(Vec x) { return x * (kTwoRootTwoOverPi + kTwoRootTwoOverPi * kGeluCubic * x * x); }

template <class T>
BURGEON_INLINE Vec gelu(Vec x) {
  return quotient_for<T>(x, 1.0f + exponential_for<T>(-gelu_argument(x)));
}

template <class T>
BURGEON_INLINE Vec gelu_slope(Vec x) {
  const Vec s = sigmoid<T>(gelu_argument(x));
  return s + x * s * (1.0f - s) * (kTwoRootTwoOverPi * (1.0f + 3.0f * kGeluCubic * x * x));
}

}  // namespace burgeon::BURGEON_ISA
