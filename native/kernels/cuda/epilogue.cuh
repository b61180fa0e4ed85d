// What follows a product D (m, n) while its sums are in registers: apply(row, column, v) with N neighbouring columns of
// D.
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/vector.cuh"

namespace burgeon::cuda {

enum class Activation { kNone, kGelu, kGeluSlope };

// y = alpha * D + bias_scale * bias + residual; kGelu: pre = that, y = gelu(pre); kGeluSlope: y = gelu'(pre) * that.
template <class T, Activation kActivation>
struct ActivationEpilogue {
  T* y;
  int64_t stride;  // of y, pre and residual
  float alpha = 1;
  const float* bias = nullptr;
  float bias_scale = 1;
  const T* residual = nullptr;
  T* pre = nullptr;

  // How many columns are 16 bytes of y, and whether so many, from a multiple of it on, or two may be passed at once.
  static constexpr int kColumns = kVector<T>;
  bool vectors() const { return stride % kColumns == 0 && in_vectors(1, 0, y, residual, pre); }
  bool pairs() const { return stride % 2 == 0 && in_vectors(1, 0, y, residual, pre); }
  BURGEON_DEVICE ActivationEpilogue of_split(int) const { return *this; }

  template <int N>
  BURGEON_DEVICE void apply(int64_t row, int64_t column, float (&v)[N]) const {
    const int64_t at = row * stride + column;
    float x[N];
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = alpha * v[i] + (bias ? bias_scale * bias[column + i] : 0);
    if (residual) {
      load(x, residual + at);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += x[i];
    }
    if constexpr (kActivation == Activation::kGelu) {
      store(pre + at, v);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = gelu<T>(v[i]);
    }
    if constexpr (kActivation == Activation::kGeluSlope) {
      load(x, pre + at);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] *= gelu_slope<T>(x[i]);
    }
    store(y + at, v);
  }
};

// dw = beta * dw + alpha * D, in float; where beta is 0 dw is not read. Where the shared dimension is cut into splits,
// each split has a matrix of its own, `split_stride` behind the one before.
struct GradientEpilogue {
  float* dw;
  int64_t stride;
  float alpha;
  float beta;
  int64_t split_stride = 0;

  static constexpr int kColumns = kVector<float>;
  bool vectors() const { return stride % kColumns == 0 && split_stride % kColumns == 0 && in_vectors(1, 0, dw); }
  bool pairs() const { return stride % 2 == 0 && split_stride % 2 == 0 && in_vectors(1, 0, dw); }
  BURGEON_DEVICE GradientEpilogue of_split(int split) const {
    return {dw + split * split_stride, stride, alpha, beta, split_stride};
  }

  template <int N>
  BURGEON_DEVICE void apply(int64_t row, int64_t column, float (&v)[N]) const {
    float* const to = dw + row * stride + column;
    float x[N] = {};
    if (beta != 0) load(x, to);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = alpha * v[i] + beta * x[i];
    store(to, x);
  }
};

}  // namespace burgeon::cuda
