// A warp has a row: it comes from memory once and from the first-level cache after that. Backward keeps the sums for
// the gradients of the parameters in registers, where the row is not too wide; else these are column sums, which read
// dy and x a second time.
#include "kernels/cuda/reduce.cuh"
#include "ops/cuda_kernels.h"

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

// dx += scale * (g - average_g - h * average_gh) for N columns.
template <int N, class T>
BURGEON_DEVICE void add_row_gradient(T* dx, const T* x, const T* dy, const float* weight, float average, float scale,
                                     float average_g, float average_gh) {
  float h[N];
  float g[N];
  float w[N];
  float sum[N];
  load(h, x);
  load(g, dy);
  load(w, weight);
  load(sum, dx);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    sum[i] += scale * (g[i] * w[i] - average_g - (h[i] - average) * scale * average_gh);
  }
  store(dx, sum);
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
    add_row_gradient<N>(out + c, in + c, grad + c, weight + c, average, scale, average_g, average_gh);
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

// Both gradients of rows of at most kSweeps sweeps of a warp, in one pass over memory. A block has a chunk of the rows,
// a warp every eighth of them; a lane sums for the columns it reads, and the warps add up in order.
template <class T, int N, int kSweeps, bool kCentred>
BURGEON_KERNEL(kRowThreads, kSweeps <= 4 ? 2 : 1)
norm_pass_kernel(T* dx, float* partials, const T* dy, const T* x, const float* mean, const float* rstd,
                 const float* weight, int64_t n, int width, int64_t chunk_rows) {
  constexpr int kOutputs = kCentred ? 2 : 1;
  constexpr int kSums = kOutputs * kSweeps * N * kWarpSize;
  BURGEON_SHARED(float, sums, kSums);
  const int warp = thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  const int64_t begin = block_x() * chunk_rows;
  const int64_t end = begin + chunk_rows < n ? begin + chunk_rows : n;
  float total[kOutputs][kSweeps][N] = {};
  for (int64_t row = begin + warp; row < end; row += kRowWarps) {
    const T* const in = x + row * width;
    const T* const grad = dy + row * width;
    T* const out = dx + row * width;
    const float average = kCentred ? mean[row] : 0;
    const float scale = rstd[row];
    float sum_g = 0;
    float sum_gh = 0;
#pragma unroll
    for (int s = 0; s < kSweeps; ++s) {
      const int c = (s * kWarpSize + lane) * N;
      if (c >= width) continue;
      float h[N];
      float g[N];
      float w[N];
      load(h, in + c);
      load(g, grad + c);
      load(w, weight + c);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        h[i] = (h[i] - average) * scale;
        total[0][s][i] += g[i] * h[i];
        if constexpr (kCentred) total[1][s][i] += g[i];
        sum_g += g[i] * w[i];
        sum_gh += g[i] * w[i] * h[i];
      }
    }
    const float average_g = kCentred ? warp_sum(sum_g) / static_cast<float>(width) : 0;
    const float average_gh = warp_sum(sum_gh) / static_cast<float>(width);
#pragma unroll
    for (int s = 0; s < kSweeps; ++s) {
      const int c = (s * kWarpSize + lane) * N;
      if (c < width) add_row_gradient<N>(out + c, in + c, grad + c, weight + c, average, scale, average_g, average_gh);
    }
  }
  for (int w = 0; w < kRowWarps; ++w) {
    if (warp == w) {
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
#pragma unroll
        for (int s = 0; s < kSweeps; ++s) {
#pragma unroll
          for (int i = 0; i < N; ++i) {
            float& sum = sums[((o * kSweeps + s) * N + i) * kWarpSize + lane];
            sum = total[o][s][i] + (w == 0 ? 0 : sum);
          }
        }
      }
    }
    sync_threads();
  }
  for (int index = thread_index(); index < kSums; index += kRowThreads) {
    const int i = index / kWarpSize % N;
    const int s = index / (kWarpSize * N) % kSweeps;
    const int output = index / (kWarpSize * N * kSweeps);
    const int c = (s * kWarpSize + index % kWarpSize) * N + i;
    if (c < width) partials[(static_cast<int64_t>(block_x()) * kOutputs + output) * width + c] = sums[index];
  }
}

BURGEON_KERNEL(kColumnThreads, 1)
add_parameter_kernel(float* dweight, float* dbias, const float* partials, int64_t chunks, int64_t width) {
  add_column_partials(block_y() == 0 ? dweight : dbias, partials, block_y(), grid_y(), chunks, width, 1, 1);
}

// Blocks of the pass: two for each multiprocessor of the largest device there is a target for.
constexpr int64_t kMostPassChunks = 264;
constexpr int64_t kFewestPassRows = 2 * kRowWarps;

int64_t pass_chunk_rows(int64_t n) {
  const int64_t rows = ceil_div(n, kMostPassChunks);
  return rows > kFewestPassRows ? rows : kFewestPassRows;
}

// call(kSweeps) for rows of so many sweeps or a few more; false where there are too many.
template <class Call>
bool with_sweeps(int64_t sweeps, Call call) {
  if (sweeps > 8) return false;
  if (sweeps == 1) {
    call(std::integral_constant<int, 1>{});
  } else if (sweeps == 2) {
    call(std::integral_constant<int, 2>{});
  } else if (sweeps == 3) {
    call(std::integral_constant<int, 3>{});
  } else if (sweeps == 4) {
    call(std::integral_constant<int, 4>{});
  } else if (sweeps <= 6) {
    call(std::integral_constant<int, 6>{});
  } else {
    call(std::integral_constant<int, 8>{});
  }
  return true;
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

size_t norm_backward_scratch_bytes(int64_t n, int64_t width) {
  const size_t pass = static_cast<size_t>(ceil_div(n, pass_chunk_rows(n)) * 2 * width) * sizeof(float);
  const size_t columns = column_scratch_bytes(2, n, width);
  return pass > columns ? pass : columns;
}

template <class T>
void norm_backward(Stream stream, T* dx, float* dweight, float* dbias, const T* dy, const T* x, const float* mean,
                   const float* rstd, const float* weight, int64_t n, int64_t width, void* scratch) {
  float* const partials = static_cast<float*>(scratch);
  int64_t chunk_rows = column_chunk_rows(n);
  with_vectors<T>(in_vectors(kVector<T>, width, dx, dy, x, weight), [&](auto lanes) {
    with_mean(mean != nullptr, [&](auto centred) {
      constexpr int N = decltype(lanes)::value;
      constexpr bool kCentred = decltype(centred)::value;
      if constexpr (N == 8) {
        const bool done = with_sweeps(ceil_div(width, N * kWarpSize), [&](auto sweeps) {
          chunk_rows = pass_chunk_rows(n);
          launch(stream, {ceil_div(n, chunk_rows)}, kRowThreads, 0,
                 norm_pass_kernel<T, N, decltype(sweeps)::value, kCentred>, dx, partials, dy, x, mean, rstd, weight, n,
                 width, chunk_rows);
        });
        if (done) return;
      }
      launch(stream, {ceil_div(n, kRowWarps)}, kRowThreads, 0, norm_gradient_kernel<T, N, kCentred>, dx, dy, x, mean,
             rstd, weight, n, width);
      launch(stream, column_grid<N>(n, width), kColumnThreads, 0, norm_parameter_kernel<T, N, kCentred>, partials, dy,
             x, mean, rstd, n, width, chunk_rows);
    });
  });
  launch(stream, column_sum_grid(width, mean ? 2 : 1), kColumnThreads, 0, add_parameter_kernel, dweight,
         mean ? dbias : nullptr, partials, ceil_div(n, chunk_rows), width);
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
