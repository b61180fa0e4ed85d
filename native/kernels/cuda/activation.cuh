// The activations of an MLP and their slopes, for kernels of their own and for the epilogues of products. T is what the
// result is rounded to: for bfloat16, whose last bit is worth 2^15 of a float's, a sigmoid is two instructions of the
// unit for special functions instead of a division; for float it is exact but for the power.
#pragma once

#include "core/bfloat16.h"
#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

template <class T>
BURGEON_DEVICE float sigmoid(float x) {
  if constexpr (sizeof(T) == 2) {
    return reciprocal_fast(1.0f + exp2_fast(-kLog2E * x));
  } else {
    return 1.0f / (1.0f + exp_fast(-x));
  }
}

constexpr float kRootTwoOverPi = 0.79788456080286535588f;
constexpr float kCubic = 0.044715f;  // of GELU's tanh form (ops/mlp/mlp.h)

// (1 + tanh(u)) / 2 = sigmoid(2 u) of GELU's u.
template <class T>
BURGEON_DEVICE float gelu_share(float x) {
  if constexpr (sizeof(T) == 2) {
    constexpr float kExponent = -2 * kRootTwoOverPi * kLog2E;
    return reciprocal_fast(1.0f + exp2_fast(x * (kExponent + kExponent * kCubic * (x * x))));
  } else {
    return sigmoid<T>(2 * kRootTwoOverPi * x * (1 + kCubic * x * x));
  }
}

template <class T>
BURGEON_DEVICE float gelu(float x) {
  return x * gelu_share<T>(x);
}

template <class T>
BURGEON_DEVICE float gelu_slope(float x) {
  const float s = gelu_share<T>(x);
  return s + x * s * (1 - s) * (2 * kRootTwoOverPi) * (1 + 3 * kCubic * x * x);
}

template <class T>
BURGEON_DEVICE float silu(float x) {
  return x * sigmoid<T>(x);
}

template <class T>
BURGEON_DEVICE float silu_slope(float x) {
  const float s = sigmoid<T>(x);
  return s * (1 + x * (1 - s));
}

}  // namespace burgeon::cuda
