// Sums and maxima over a warp, a block and the rows of a matrix, in orders that depend on shapes alone.
#pragma once

#include "kernels/cuda/vector.cuh"

namespace burgeon::cuda {

template <class T>
BURGEON_DEVICE T warp_sum(T value) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

BURGEON_DEVICE float warp_max(float value) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value = larger(value, shuffle_xor(value, mask));
  return value;
}

// For all threads of the block.
template <class T>
BURGEON_DEVICE T block_sum(T value) {
  BURGEON_SHARED(T, partial, kWarpSize);
  const int lane = thread_index() % kWarpSize;
  value = warp_sum(value);
  sync_threads();  // an earlier sum may still be being read
  if (lane == 0) partial[thread_index() / kWarpSize] = value;
  sync_threads();
  return warp_sum(lane < block_threads() / kWarpSize ? partial[lane] : T(0));
}

BURGEON_DEVICE float block_max(float value) {
  BURGEON_SHARED(float, partial, kWarpSize);
  const int lane = thread_index() % kWarpSize;
  value = warp_max(value);
  sync_threads();
  if (lane == 0) partial[thread_index() / kWarpSize] = value;
  sync_threads();
  return warp_max(partial[lane < block_threads() / kWarpSize ? lane : 0]);
}

// Column sums in two stages. A block of the first adds up, for 32 N columns, a chunk of the rows, warp w every eighth
// from w on, and leaves partials[chunk][output][column]; the second adds the chunks in order.
constexpr int kColumnWarps = 8;
constexpr int kColumnThreads = kColumnWarps * kWarpSize;
constexpr int64_t kMostColumnChunks = 128;

inline int64_t column_chunk_rows(int64_t n) {
  const int64_t rows = ceil_div(n, kMostColumnChunks);
  return rows > 64 ? rows : 64;
}
inline size_t column_scratch_bytes(int outputs, int64_t n, int64_t width) {
  return static_cast<size_t>(ceil_div(n, column_chunk_rows(n)) * outputs * width) * sizeof(float);
}
template <int N>
Grid column_grid(int64_t n, int64_t width) {
  return {ceil_div(width, kWarpSize * N), ceil_div(n, column_chunk_rows(n))};
}

// value(v, row, column) gives N neighbours of each output.
template <int kOutputs, int N, class Value>
BURGEON_DEVICE void sum_columns(float* partials, int64_t n, int64_t width, int64_t chunk_rows, Value value) {
  BURGEON_SHARED(float, sums, kColumnWarps* kOutputs* kWarpSize* N);
  const int warp = thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  const int64_t first = static_cast<int64_t>(block_x()) * kWarpSize * N;
  const int64_t column = first + lane * N;
  const int64_t begin = block_y() * chunk_rows;
  const int64_t end = begin + chunk_rows < n ? begin + chunk_rows : n;
  float total[kOutputs][N] = {};
  if (column < width) {
    for (int64_t row = begin + warp; row < end; row += kColumnWarps) {
      float v[kOutputs][N];
      value(v, row, column);
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
        for (int i = 0; i < N; ++i) total[o][i] += v[o][i];
      }
    }
  }
#pragma unroll
  for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
    for (int i = 0; i < N; ++i) sums[(warp * kOutputs + o) * kWarpSize * N + lane * N + i] = total[o][i];
  }
  sync_threads();
  for (int i = thread_index(); i < kOutputs * kWarpSize * N; i += kColumnThreads) {
    float sum = 0;
    for (int w = 0; w < kColumnWarps; ++w) sum += sums[w * kOutputs * kWarpSize * N + i];
    const int64_t c = first + i % (kWarpSize * N);
    const int64_t output = i / (kWarpSize * N);
    if (c < width) partials[(block_y() * kOutputs + output) * width + c] = sum;
  }
}

inline Grid column_sum_grid(int64_t width, int outputs) { return {ceil_div(width, kWarpSize), outputs}; }

// out[c] = beta * out[c] + alpha * (sum over chunks of partials[chunk][output][c]); where beta is 0 out is not read. A
// block has 32 columns, warp w every eighth chunk from w on.
BURGEON_DEVICE void add_column_partials(float* out, const float* partials, int output, int outputs, int64_t chunks,
                                        int64_t width, float alpha, float beta) {
  BURGEON_SHARED(float, sums, kColumnThreads);
  const int warp = thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  const int64_t c = static_cast<int64_t>(block_x()) * kWarpSize + lane;
  float sum = 0;
  if (c < width) {
    for (int64_t chunk = warp; chunk < chunks; chunk += kColumnWarps) {
      sum += partials[(chunk * outputs + output) * width + c];
    }
  }
  sums[thread_index()] = sum;
  sync_threads();
  if (warp > 0 || c >= width) return;
  for (int w = 1; w < kColumnWarps; ++w) sum += sums[w * kWarpSize + lane];
  out[c] = alpha * sum + (beta == 0 ? 0 : beta * out[c]);
}

}  // namespace burgeon::cuda
