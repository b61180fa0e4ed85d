#include "kernels/cuda/vector.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

// A thread turns N neighbouring pairs of a head.
template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
rotary_kernel(T* x, const float* table, uint32_t count, uint32_t sequence, int64_t stride, uint32_t heads,
              uint32_t half, float sign) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const uint32_t per_head = half / N;
  const uint32_t head = index / per_head % heads;
  const int64_t row = index / per_head / heads;
  const uint32_t d = index % per_head * N;
  T* const first = x + row * stride + head * 2 * half + d;
  const float* const cosines = table + row % sequence * (2 * half) + d;
  float a[N];
  float b[N];
  float c[N];
  float s[N];
  load(a, first);
  load(b, first + half);
  load(c, cosines);
  load(s, cosines + half);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float turned = a[i] * c[i] - b[i] * (sign * s[i]);
    b[i] = b[i] * c[i] + a[i] * (sign * s[i]);
    a[i] = turned;
  }
  store(first, a);
  store(first + half, b);
}

}  // namespace

template <class T>
void rotary(Stream stream, T* x, const float* table, int64_t n, int64_t sequence, int64_t stride, int64_t heads,
            int64_t head_size, bool inverse) {
  const int64_t half = head_size / 2;
  with_vectors<T>(in_vectors(kVector<T>, half, x, table) && stride % kVector<T> == 0, [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    const int64_t count = n * heads * (half / N);
    launch(stream, grid_of(count), kElementThreads, 0, rotary_kernel<T, N>, x, table, count, sequence, stride, heads,
           half, inverse ? -1.0f : 1.0f);
  });
}

template void rotary<float>(Stream, float*, const float*, int64_t, int64_t, int64_t, int64_t, int64_t, bool);
template void rotary<bfloat16>(Stream, bfloat16*, const float*, int64_t, int64_t, int64_t, int64_t, int64_t, bool);

}  // namespace burgeon::cuda
