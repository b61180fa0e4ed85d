// A warp has a row: it comes from memory once and from the first-level cache after that. The gradients of the
// parameters are column sums, which read dy and x a second time.
#include "backend/cuda/kernels.h"
#include "backend/cuda/reduce.cuh"

namespace burgeon::cuda {

namespace {

constexpr int kRowWarps = 8;
constexpr int kRowThreads = kRowWarps * kWarpSize;

BURGEON_DEVICE int64_t row_of_warp() {
  return static_cast<int64_t>(block_x()) * kRowWarps + thread_index() / kWarpSize;
}

template <class T, int N, bool kCentred>
BURGEON_KERNEL(kRowThreads, 2)
norm_kernel(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int64_t n, int width,
            float epsilon) {
  const int64_t row = row_of_warp();
  if (row >= n) return;
  const int lane = thread_index() % kWarpSize;
  const T* const in = x + row * width;
  float average = 0;
  if (kCentred) {
    float sum = 0;
    for (int c = lane * N; c < width; c += kWarpSize * N) {
      float v[N];
      load(v, in + c);
#pragma unroll
      for (int i = 0; i < N; ++i) sum += v[i];
    }
    average = warp_sum(sum) / static_cast<float>(width);
  }
  float squares = 0;
  for (int c = lane * N; c < width; c += kWarpSize * N) {
    float v[N];
    load(v, in + c);
#pragma unroll
    for (int i = 0; i < N; ++i) squares += (v[i] - average) * (v[i] - average);
  }
  const float scale = reciprocal_sqrt(warp_sum(squares) / static_cast<float>(width) + epsilon);
  for (int c = lane * N; c < width; c += kWarpSize * N) {
    float v[N];
    float w[N];
    load(v, in + c);
    load(w, weight + c);
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = (v[i] - average) * scale * w[i];
    if (kCentred) {
      load(w, bias + c);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += w[i];
    }
    store(y + row * width + c, v);
  }
  if (lane != 0) return;
  if (kCentred) mean[row] = average;
  rstd[row] = scale;
}

template <class T, int N, bool kCentred>
BURGEON_KERNEL(kRowThreads, 2)
norm_gradient_kernel(T* dx, const T* dy, const T* x, const float* mean, const float* rstd, const float* weight,
                     int64_t n, int width) {
  const int64_t row = row_of_warp();
  if (row >= n) return;
  const int lane = thread_index() % kWarpSize;
  const T* const in = x + row * width;
  const T* const grad = dy + row * width;
  T* const out = dx + row * width;
  const float average = kCentred ? mean[row] : 0;
  const float scale = rstd[row];
  float sum_g = 0;
  float sum_gh = 0;
  for (int c = lane * N; c < width; c += kWarpSize * N) {
    float h[N];
    float g[N];
    float w[N];
    load(h, in + c);
    load(g, grad + c);
    load(w, weight + c);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sum_g += g[i] * w[i];
      sum_gh += g[i] * w[i] * ((h[i] - average) * scale);
    }
  }
  const float average_g = kCentred ? warp_sum(sum_g) / static_cast<float>(width) : 0;
  const float average_gh = warp_sum(sum_gh) / static_cast<float>(width);
  for (int c = lane * N; c < width; c += kWarpSize * N) {
    float h[N];
    float g[N];
    float w[N];
    float sum[N];
    load(h, in + c);
    load(g, grad + c);
    load(w, weight + c);
    load(sum, out + c);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sum[i] += scale * (g[i] * w[i] - average_g - (h[i] - average) * scale * average_gh);
    }
    store(out + c, sum);
  }
}

template <class T, int N, bool kCentred>
BURGEON_KERNEL(kColumnThreads, 2)
norm_parameter_kernel(float* partials, const T* dy, const T* x, const float* mean, const float* rstd, int64_t n,
                      int64_t width, int64_t chunk_rows) {
  constexpr int kOutputs = kCentred ? 2 : 1;
  const auto value = [=](auto& v, int64_t row, int64_t column) {
    const float average = kCentred ? mean[row] : 0;
    const float scale = rstd[row];
    float g[N];
    float h[N];
    load(g, dy + row * width + column);
    load(h, x + row * width + column);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      v[0][i] = g[i] * ((h[i] - average) * scale);
      if constexpr (kCentred) v[1][i] = g[i];
    }
  };
  sum_columns<kOutputs, N>(partials, n, width, chunk_rows, value);
}

BURGEON_KERNEL(kElementThreads, 1)
add_parameter_kernel(float* dweight, float* dbias, const float* partials, int64_t chunks, int64_t width) {
  const int outputs = dbias ? 2 : 1;
  add_column_partials(dweight, partials, 0, outputs, chunks, width, 1, 1);
  if (dbias) add_column_partials(dbias, partials, 1, outputs, chunks, width, 1, 1);
}

template <class Call>
void with_mean(bool centred, Call call) {
  if (centred) {
    call(std::true_type{});
  } else {
    call(std::false_type{});
  }
}

}  // namespace

template <class T>
void norm_forward(Stream stream, T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias,
                  int64_t n, int64_t width, float epsilon) {
  if (!mean) bias = nullptr;
  with_vectors<T>(in_vectors(kVector<T>, width, y, x, weight, bias), [&](auto lanes) {
    with_mean(mean != nullptr, [&](auto centred) {
      constexpr auto kernel = norm_kernel<T, decltype(lanes)::value, decltype(centred)::value>;
      launch(stream, {ceil_div(n, kRowWarps)}, kRowThreads, 0, kernel, y, mean, rstd, x, weight, bias, n, width,
             epsilon);
    });
  });
}

size_t norm_backward_scratch_bytes(int64_t n, int64_t width) { return column_scratch_bytes(2, n, width); }

template <class T>
void norm_backward(Stream stream, T* dx, float* dweight, float* dbias, const T* dy, const T* x, const float* mean,
                   const float* rstd, const float* weight, int64_t n, int64_t width, void* scratch) {
  float* const partials = static_cast<float*>(scratch);
  const int64_t chunk_rows = column_chunk_rows(n);
  with_vectors<T>(in_vectors(kVector<T>, width, dx, dy, x, weight), [&](auto lanes) {
    with_mean(mean != nullptr, [&](auto centred) {
      constexpr int N = decltype(lanes)::value;
      constexpr bool kCentred = decltype(centred)::value;
      launch(stream, {ceil_div(n, kRowWarps)}, kRowThreads, 0, norm_gradient_kernel<T, N, kCentred>, dx, dy, x, mean,
             rstd, weight, n, width);
      launch(stream, column_grid<N>(n, width), kColumnThreads, 0, norm_parameter_kernel<T, N, kCentred>, partials, dy,
             x, mean, rstd, n, width, chunk_rows);
    });
  });
  launch(stream, grid_of(width), kElementThreads, 0, add_parameter_kernel, dweight, mean ? dbias : nullptr, partials,
         ceil_div(n, chunk_rows), width);
}

template void norm_forward<float>(Stream, float*, float*, float*, const float*, const float*, const float*, int64_t,
                                  int64_t, float);
template void norm_forward<bfloat16>(Stream, bfloat16*, float*, float*, const bfloat16*, const float*, const float*,
                                     int64_t, int64_t, float);
template void norm_backward<float>(Stream, float*, float*, float*, const float*, const float*, const float*,
                                   const float*, const float*, int64_t, int64_t, void*);
template void norm_backward<bfloat16>(Stream, bfloat16*, float*, float*, const bfloat16*, const bfloat16*, const float*,
                                      const float*, const float*, int64_t, int64_t, void*);

}  // namespace burgeon::cuda
