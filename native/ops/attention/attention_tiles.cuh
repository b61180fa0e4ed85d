// What the tensor-core kernels of attention share on any device that has mma.sync, and the plain kernels.
#pragma once

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/shared_tile.cuh"
#include "ops/attention/attention_heads.cuh"

namespace burgeon::cuda {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int kOwnRows = 16 * kWarps;  // of a block: queries, or keys in the first kernel of backward
constexpr int kKeys = 64;              // of a tile that is walked over

// The accumulator of two neighbouring fragments of 8 columns as a left operand of 16.
BURGEON_DEVICE void as_left(uint32_t (&r)[4], const float (&first)[4], const float (&second)[4]) {
  r[0] = pack_bfloat16(first[0], first[1]);
  r[1] = pack_bfloat16(first[2], first[3]);
  r[2] = pack_bfloat16(second[0], second[1]);
  r[3] = pack_bfloat16(second[2], second[3]);
}

// sums (16 rows of the warp, 8 N columns) += rows [row, row + 16) of `left` times the transpose of rows [0, 8 N) of
// `right`, both kSize wide.
template <class Left, class Right, int kSize, int N>
BURGEON_DEVICE void multiply_rows(float (&sums)[N][4], SharedAddress left, int row, SharedAddress right) {
#pragma unroll 1
  for (int k = 0; k < kSize; k += 16) {
    uint32_t a[4];
    Left::left(a, left, row, k);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      uint32_t b[4];
      Right::right(b, right, n * 8, k);
      multiply_add_bf16(sums[n], a, b[0], b[1]);
      multiply_add_bf16(sums[n + 1], a, b[2], b[3]);
    }
  }
}

// sums (16 rows of the warp, 8 N columns) += weights (16, 8 K), rounded, times rows [0, 8 K) of `right`.
template <class Right, int N, int K>
BURGEON_DEVICE void multiply_weights(float (&sums)[N][4], const float (&weights)[K][4], SharedAddress right) {
#pragma unroll
  for (int k = 0; k < K; k += 2) {
    uint32_t a[4];
    as_left(a, weights[k], weights[k + 1]);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      uint32_t b[4];
      Right::right_transposed(b, right, k * 8, n * 8);
      multiply_add_bf16(sums[n], a, b[0], b[1]);
      multiply_add_bf16(sums[n + 1], a, b[2], b[3]);
    }
  }
}

// Value v of a fragment of 8 columns lies in row group + 8 (v / 2) and column pair + v % 2.
BURGEON_DEVICE int fragment_row(int v) { return thread_index() % kWarpSize / 4 + v / 2 * 8; }
BURGEON_DEVICE int fragment_column(int v) { return thread_index() % 4 * 2 + v % 2; }

// Stores 16 rows of the warp, factor[half] times sums, where they exist.
template <int N>
BURGEON_DEVICE void store_rows(bfloat16* to, int64_t stride, int row, int rows, const float (&sums)[N][4],
                               const float (&factor)[2]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = row + fragment_row(2 * half);
    if (r >= rows) continue;
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const float v[2] = {sums[n][2 * half] * factor[half], sums[n][2 * half + 1] * factor[half]};
      store(to + r * stride + n * 8 + fragment_column(0), v);
    }
  }
}

// Plain kernels: a warp has a row, its lanes 32 of the other side's rows at a time. Sums over head dimensions lie
// in shared memory, so any head size will do.

template <class T>
BURGEON_DEVICE float dot(const T* x, const T* y, int64_t n) {
  float sum = 0;
  for (int64_t d = 0; d < n; ++d) sum += widen(x[d]) * widen(y[d]);
  return sum;
}

// sums[d] = shrink * sums[d] + the sum over lanes of weight * rows[lane * stride + d], for `there` lanes.
template <class T>
BURGEON_DEVICE void add_weighted_rows(float* sums, float shrink, float weight, const T* rows, int64_t stride, int there,
                                      int64_t n) {
  const int lane = thread_index() % kWarpSize;
  for (int64_t begin = 0; begin < n; begin += kWarpSize) {
    const int64_t d = begin + lane;
    float sum = d < n ? shrink * sums[d] : 0;
    for (int l = 0; l < there; ++l) {
      const float w = shuffle(weight, l);
      if (d < n) sum += w * widen(rows[l * stride + d]);
    }
    if (d < n) sums[d] = sum;
  }
}

// Whether tensor cores can do it.
template <class T, class... P>
bool is_fast(int64_t head_size, const P*... addresses) {
  return sizeof(T) == 2 && (head_size == 64 || head_size == 128) && in_vectors(8, head_size, addresses...);
}

}  // namespace burgeon::cuda
