// The activations of an MLP and their slopes, for kernels of their own and for the epilogues of products.
#pragma once

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

BURGEON_DEVICE float sigmoid(float x) { return 1.0f / (1.0f + exp_fast(-x)); }

constexpr float kRootTwoOverPi = 0.79788456080286535588f;
constexpr float kCubic = 0.044715f;  // of GELU's tanh form (ops/mlp/mlp.h)

// With (1 + tanh(u)) / 2 = sigmoid(2 u).
BURGEON_DEVICE float gelu(float x) { return x * sigmoid(2 * kRootTwoOverPi * x * (1 + kCubic * x * x)); }

BURGEON_DEVICE float gelu_slope(float x) {
  const float s = sigmoid(2 * kRootTwoOverPi * x * (1 + kCubic * x * x));
  return s + x * s * (1 - s) * (2 * kRootTwoOverPi) * (1 + 3 * kCubic * x * x);
}

BURGEON_DEVICE float silu(float x) { return x * sigmoid(x); }

BURGEON_DEVICE float silu_slope(float x) {
  const float s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

}  // namespace burgeon::cuda
