// The four lanes that share rows of accumulators: of 8 columns of a product, lane q of a quad holds columns 2 q and
// 2 q + 1, in rows lane / 4 and, 8 below, of the second half of its values.
#pragma once

#include "kernels/cuda/vector.cuh"

namespace burgeon::cuda {

// Among the 64 rows of a warpgroup.
BURGEON_DEVICE int quad_row(int half) {
  return thread_index() % kWarpgroup / kWarpSize * 16 + half * 8 + thread_index() % kWarpSize / 4;
}

// Among 8 columns.
BURGEON_DEVICE int quad_column(int i) { return thread_index() % 4 * 2 + i; }

// Accumulators as left operands of products, 16 columns each.
template <int N>
BURGEON_DEVICE void as_left(uint32_t (&left)[N / 2][4], const float (&sums)[N][4]) {
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      left[n / 2][n % 2 * 2 + half] = pack_bfloat16(sums[n][2 * half], sums[n][2 * half + 1]);
    }
  }
}

// The lane with this bit gives its low pair for the high pair of the other.
BURGEON_DEVICE void swap_pairs(float* low, float* high, int bit) {
  const bool upper = thread_index() & bit;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float got = shuffle_xor(upper ? low[i] : high[i], bit);
    low[i] = upper ? got : low[i];
    high[i] = upper ? high[i] : got;
  }
}

// v = 4 or 8 neighbouring columns of a row, of fragments n on, two for 4 and four for 8; returns the first of them.
template <int N, int F>
BURGEON_DEVICE int quad_columns(float (&v)[N], const float (&sums)[F][4], int n, int half) {
  static_assert(N == 4 || N == 8, "16 bytes of float or bfloat16");
#pragma unroll
  for (int i = 0; i < N; ++i) v[i] = sums[n + i / 2][2 * half + i % 2];
  swap_pairs(v, v + 2, 1);
  if constexpr (N == 4) {
    return (n + thread_index() % 2) * 8 + thread_index() % 4 / 2 * 4;
  } else {
    swap_pairs(v + 4, v + 6, 1);
    swap_pairs(v, v + 4, 2);
    swap_pairs(v + 2, v + 6, 2);
    return (n + thread_index() % 4) * 8;
  }
}

// Stores the 64 rows of a warpgroup, from `row` on, factor times sums, where they exist: `rows` do.
template <int N>
BURGEON_DEVICE void store_rows(bfloat16* to, int64_t stride, int row, int rows, const float (&sums)[N][4],
                               float factor) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = row + quad_row(half);
#pragma unroll
    for (int n = 0; n < N; n += 4) {
      float v[8];
      const int column = quad_columns(v, sums, n, half);
#pragma unroll
      for (float& x : v) x *= factor;
      if (r < rows) store(to + r * stride + column, v);
    }
  }
}

}  // namespace burgeon::cuda
