#include <cmath>

#include "backend/cuda/kernels.h"
#include "backend/cuda/reduce.cuh"

namespace burgeon::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 512;
constexpr int64_t kVectorsPerThread = 8;  // at least, where there are that many

// The number of blocks depends on the shape alone, and with it the order of the sum.
int64_t block_count(int64_t row_count, int64_t cols) {
  const int64_t blocks = ceil_div(row_count * cols, 4 * kVectorsPerThread * kThreads);
  return blocks < kMostBlocks ? blocks : kMostBlocks;
}

template <int N>
BURGEON_KERNEL(kThreads, 2)
squares_kernel(double* partials, const float* x, const int32_t* rows, uint32_t count, uint32_t per_row) {
  double sum = 0;
  const uint32_t step = static_cast<uint32_t>(grid_x()) * kThreads;
  for (uint32_t index = element_index(); index < count; index += step) {
    const uint32_t j = index / per_row;
    const int64_t row = rows ? rows[j] : j;
    float v[N];
    load(v, x + (row * per_row + index % per_row) * N);
    float squares = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) squares += v[i] * v[i];
    sum += squares;
  }
  sum = block_sum(sum);
  if (thread_index() == 0) partials[block_x()] = sum;
}

BURGEON_KERNEL(kThreads, 1) sum_partials_kernel(double* result, const double* partials, int64_t count) {
  double sum = 0;
  for (int64_t i = thread_index(); i < count; i += kThreads) sum += partials[i];
  sum = block_sum(sum);
  if (thread_index() == 0) *result = sum;
}

BURGEON_KERNEL(kThreads, 1)
gradient_scale_kernel(AdamWStep* step, double* norm, const double* sums, int64_t count, double clip) {
  double sum = 0;
  for (int64_t i = thread_index(); i < count; i += kThreads) sum += sums[i];
  const double length = sqrt(block_sum(sum));
  if (thread_index() != 0) return;
  *norm = length;
  step->gradient_scale = clip > 0 && length > clip ? clip / length : 1;
}

}  // namespace

size_t sum_of_squares_scratch_bytes(int64_t row_count, int64_t cols) {
  return static_cast<size_t>(block_count(row_count, cols)) * sizeof(double);
}

void sum_of_squares(Stream stream, double* sum, const float* x, const int32_t* rows, int64_t row_count, int64_t cols,
                    void* scratch) {
  double* const partials = static_cast<double*>(scratch);
  const int64_t blocks = block_count(row_count, cols);
  with_vectors<float>(in_vectors(kVector<float>, cols, x), [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    const int64_t count = row_count * (cols / N);
    grid_of(count);  // refuses what is too large
    launch(stream, {blocks}, kThreads, 0, squares_kernel<N>, partials, x, rows, count, cols / N);
  });
  launch(stream, {1}, kThreads, 0, sum_partials_kernel, sum, partials, blocks);
}

void set_gradient_scale(Stream stream, AdamWStep* step, double* norm, const double* sums, int64_t count, double clip) {
  launch(stream, {1}, kThreads, 0, gradient_scale_kernel, step, norm, sums, count, clip);
}

}  // namespace burgeon::cuda
