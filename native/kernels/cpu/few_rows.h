// Products of one to a few rows of activations, as generation has them: bound by reading the weights once, which
// packing would do thrice. Rows of the weight are read as they lie, several at a time.
#pragma once

#include "kernels/cpu/operand.h"

namespace burgeon::BURGEON_ISA {

constexpr int64_t kFewRows = 4;
// Rows of the weight that are read together.
constexpr int64_t kTogether = 4;

// y[i, j] = alpha * sum_c x[i, c] * w[rows[j], c] + bias[rows[j]] for N rows of x.
template <class Operand, int N, class T>
void expand_rows(OpContext& ctx, T* y, int64_t y_stride, const T* x, const float* w, const float* bias,
                 const int32_t* rows, int64_t row_count, int64_t cols, float alpha) {
  constexpr int64_t kTaskRows = 16 * kTogether;
  parallel_for(ctx, ceil_div(row_count, kTaskRows), [&](int64_t task, int) {
    const int64_t end = smaller(row_count, (task + 1) * kTaskRows);
    for (int64_t j = task * kTaskRows; j < end; j += kTogether) {
      const float* weight[kTogether];
      for (int64_t k = 0; k < kTogether; ++k) {
        const int64_t at = smaller(j + k, end - 1);
        weight[k] = w + (rows ? rows[at] : at) * cols;
      }
      Vec sums[kTogether][N] = {};
      for (int64_t c = 0; c < cols; c += kWidth) {
        Vec value[N];
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i) value[i] = Operand::rounded(load_first(x + i * cols + c, cols - c));
#pragma GCC unroll 4
        for (int64_t k = 0; k < kTogether; ++k) {
          const Vec v = Operand::rounded(load_first(weight[k] + c, cols - c));
#pragma GCC unroll 4
          for (int i = 0; i < N; ++i) sums[k][i] += value[i] * v;
        }
      }
      for (int64_t k = 0; k < smaller(kTogether, end - j); ++k) {
        const float shift = bias ? bias[rows ? rows[j + k] : j + k] : 0;
        for (int i = 0; i < N; ++i) store_one(y + i * y_stride + j + k, alpha * sum_lanes(sums[k][i]) + shift);
      }
    }
  });
}

// Contraction: the rows of the weight are cut into pieces, each of which gives a partial sum of all columns.
constexpr int64_t kMostPieces = 64;
BURGEON_INLINE int64_t piece_rows(int64_t row_count) { return larger(32, ceil_div(row_count, kMostPieces)); }
BURGEON_INLINE int64_t few_rows_scratch_floats(int64_t n, int64_t row_count, int64_t cols) {
  return ceil_div(row_count, piece_rows(row_count)) * n * cols;
}

// y[i, c] = alpha * sum_j x[i, j] * w[rows[j], c] + bias_scale * bias[c] + residual[i, c] for N rows of x.
// `partial` has room for few_rows_scratch_floats.
template <class Operand, int N, class T>
void contract_rows(OpContext& ctx, float* partial, float* y, const T* x, int64_t x_stride, const float* w,
                   const float* bias, const float* residual, const int32_t* rows, int64_t row_count, int64_t cols,
                   float alpha, float bias_scale) {
  const int64_t each = piece_rows(row_count);
  const int64_t pieces = ceil_div(row_count, each);
  parallel_for(ctx, pieces, [&](int64_t piece, int) {
    float* sums = partial + piece * N * cols;
    const int64_t begin = piece * each;
    const int64_t end = smaller(row_count, begin + each);
    for (int64_t j = begin; j < end; j += kTogether) {
      const float* weight[kTogether];
      Vec value[kTogether][N];
      for (int64_t k = 0; k < kTogether; ++k) {
        const int64_t at = smaller(j + k, end - 1);
        weight[k] = w + (rows ? rows[at] : at) * cols;
        for (int i = 0; i < N; ++i)
          value[k][i] = Operand::rounded(splat(j + k < end ? load_one(x + i * x_stride + at) : 0));
      }
      for (int64_t c = 0; c < cols; c += kWidth) {
        Vec sum[N];
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i) sum[i] = j == begin ? Vec{} : load_first(sums + i * cols + c, cols - c);
#pragma GCC unroll 4
        for (int64_t k = 0; k < kTogether; ++k) {
          const Vec v = Operand::rounded(load_first(weight[k] + c, cols - c));
#pragma GCC unroll 4
          for (int i = 0; i < N; ++i) sum[i] += value[k][i] * v;
        }
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i) store_first(sums + i * cols + c, sum[i], cols - c);
      }
    }
  });
  for (int i = 0; i < N; ++i) {
    for (int64_t c = 0; c < cols; c += kWidth) {
      const int64_t left = cols - c;
      Vec sum = {};
      for (int64_t piece = 0; piece < pieces; ++piece) sum += load_first(partial + (piece * N + i) * cols + c, left);
      sum *= alpha;
      if (bias) sum += bias_scale * load_first(bias + c, left);
      if (residual) sum += load_first(residual + i * cols + c, left);
      store_first(y + i * cols + c, sum, left);
    }
  }
}

template <int N>
struct Rows {
  static constexpr int value = N;
};

// Calls body with n, from 1 to kFewRows, as a constant.
template <class Body>
BURGEON_INLINE void with_rows(int64_t n, Body body) {
  switch (n) {
    case 1:
      return body(Rows<1>());
    case 2:
      return body(Rows<2>());
    case 3:
      return body(Rows<3>());
    default:
      return body(Rows<4>());
  }
}

}  // namespace burgeon::BURGEON_ISA
