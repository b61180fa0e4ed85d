// Products of one to a few rows of activations, as generation has them: bound by reading the weights once, which
// packing would do thrice. Rows of the weight are read as they lie.
#pragma once

#include "backend/cpu/operand.h"

namespace burgeon::BURGEON_ISA {

constexpr int64_t kFewRows = 4;

// Sums over kRows rows of x at a time share every read of w.
// y[i, j] = alpha * sum_c x[i, c] * w[rows[j], c] + bias[rows[j]]
template <class Operand>
void expand_few_rows(OpContext& ctx, float* y, const float* x, const float* w, const float* bias, const int32_t* rows,
                     int64_t n, int64_t row_count, int64_t cols, float alpha) {
  constexpr int64_t kTaskRows = 32;
  parallel_for(ctx, ceil_div(row_count, kTaskRows), [&](int64_t task, int) {
    for (int64_t j = task * kTaskRows; j < smaller(row_count, (task + 1) * kTaskRows); ++j) {
      const int64_t row = rows ? rows[j] : j;
      const float* weight = w + row * cols;
      Vec sums[kFewRows] = {};
      for (int64_t c = 0; c < cols; c += kWidth) {
        const Vec v = Operand::rounded(load_first(weight + c, cols - c));
        for (int64_t i = 0; i < n; ++i) sums[i] += Operand::rounded(load_first(x + i * cols + c, cols - c)) * v;
      }
      for (int64_t i = 0; i < n; ++i) y[i * row_count + j] = alpha * sum_lanes(sums[i]) + (bias ? bias[row] : 0);
    }
  });
}

// y[i, c] = alpha * sum_j x[i, j] * w[rows[j], c] + bias_scale * bias[c] + residual[i, c]
template <class Operand>
void contract_few_rows(OpContext& ctx, float* y, const float* x, const float* w, const float* bias,
                       const float* residual, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols,
                       float alpha, float bias_scale) {
  constexpr int64_t kTaskCols = 4 * kWidth;  // a task's columns are whole cache lines of every row
  parallel_for(ctx, ceil_div(cols, kTaskCols), [&](int64_t task, int) {
    const int64_t begin = task * kTaskCols;
    const int64_t count = smaller(kTaskCols, cols - begin);
    for (int64_t i = 0; i < n; ++i) {
      Vec sums[4] = {};
      for (int64_t j = 0; j < row_count; ++j) {
        const float* weight = w + (rows ? rows[j] : j) * cols + begin;
        const Vec value = Operand::rounded(splat(x[i * row_count + j]));
        for (int64_t v = 0; v < 4; ++v) {
          if (v * kWidth < count)
            sums[v] += value * Operand::rounded(load_first(weight + v * kWidth, count - v * kWidth));
        }
      }
      for (int64_t v = 0; v * kWidth < count; ++v) {
        const int64_t c = begin + v * kWidth;
        const int64_t left = count - v * kWidth;
        Vec value = alpha * sums[v];
        if (bias) value += bias_scale * load_first(bias + c, left);
        if (residual) value += load_first(residual + i * cols + c, left);
        store_first(y + i * cols + c, value, left);
      }
    }
  });
}

}  // namespace burgeon::BURGEON_ISA
