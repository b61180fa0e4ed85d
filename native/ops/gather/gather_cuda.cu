// Between the masters of a matrix and the compact copy of its active rows.
#include "backend/cuda/kernels.h"
#include "backend/cuda/vector.cuh"

namespace burgeon::cuda {

namespace {

template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
gather_kernel(T* to, const float* from, const int32_t* rows, uint32_t count, uint32_t per_row) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const uint32_t j = index / per_row;
  const int64_t row = rows ? rows[j] : j;
  float x[N];
  load(x, from + (row * per_row + index % per_row) * N);
  store(to + static_cast<int64_t>(index) * N, x);
}

template <int N>
BURGEON_KERNEL(kElementThreads, 4)
scatter_add_kernel(float* to, const float* from, const int32_t* rows, uint32_t count, uint32_t per_row) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const uint32_t j = index / per_row;
  const int64_t row = rows ? rows[j] : j;
  float* const sum = to + (row * per_row + index % per_row) * N;
  float x[N];
  float y[N];
  load(x, from + static_cast<int64_t>(index) * N);
  load(y, sum);
#pragma unroll
  for (int i = 0; i < N; ++i) y[i] += x[i];
  store(sum, y);
}

}  // namespace

template <class T>
void gather_cast(Stream stream, T* to, const float* from, const int32_t* rows, int64_t row_count, int64_t cols) {
  with_vectors<T>(in_vectors(kVector<T>, cols, to, from), [&](auto n) {
    constexpr int N = decltype(n)::value;
    const int64_t count = row_count * (cols / N);
    launch(stream, grid_of(count), kElementThreads, 0, gather_kernel<T, N>, to, from, rows, count, cols / N);
  });
}

void scatter_add(Stream stream, float* to, const float* from, const int32_t* rows, int64_t row_count, int64_t cols) {
  with_vectors<float>(in_vectors(kVector<float>, cols, to, from), [&](auto n) {
    constexpr int N = decltype(n)::value;
    const int64_t count = row_count * (cols / N);
    launch(stream, grid_of(count), kElementThreads, 0, scatter_add_kernel<N>, to, from, rows, count, cols / N);
  });
}

template void gather_cast<float>(Stream, float*, const float*, const int32_t*, int64_t, int64_t);
template void gather_cast<bfloat16>(Stream, bfloat16*, const float*, const int32_t*, int64_t, int64_t);

}  // namespace burgeon::cuda
