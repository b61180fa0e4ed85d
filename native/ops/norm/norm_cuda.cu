// A warp has a row. Where it is not too wide, forward asks for all of it at once and keeps it in registers, and
// backward is one pass (norm_pass.cuh). Else it comes from memory once and from the first-level cache after that, and
// the gradients of the parameters are column sums, which read dy and x a second time.
#include "kernels/cuda/reduce.cuh"
#include "ops/cuda_kernels.h"
#include "ops/norm/norm_pass.cuh"

namespace burgeon::cuda {

namespace {

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

// Rows of at most kSweeps sweeps of a warp.
template <class T, int N, int kSweeps, bool kCentred>
BURGEON_KERNEL(kRowThreads, 2)
norm_row_kernel(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int64_t n,
                int width, float epsilon) {
  const int64_t row = row_of_warp();
  if (row >= n) return;
  const int lane = thread_index() % kWarpSize;
  const auto column = [&](int s) { return (s * kWarpSize + lane) * N; };
  Words<4> in[kSweeps];
#pragma unroll
  for (int s = 0; s < kSweeps; ++s) in[s] = load_vector(x + row * width + column(s), column(s) < width);
  float average = 0;
  if (kCentred) {
    float sum = 0;
#pragma unroll
    for (int s = 0; s < kSweeps; ++s) {
      float v[N];
      widen<T>(v, in[s]);
#pragma unroll
      for (int i = 0; i < N; ++i) sum += v[i];
    }
    average = warp_sum(sum) / static_cast<float>(width);
  }
  float squares = 0;
#pragma unroll
  for (int s = 0; s < kSweeps; ++s) {
    float v[N];
    widen<T>(v, in[s]);
    float part = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) part += (v[i] - average) * (v[i] - average);
    squares += column(s) < width ? part : 0;
  }
  const float scale = reciprocal_sqrt(warp_sum(squares) / static_cast<float>(width) + epsilon);
#pragma unroll
  for (int s = 0; s < kSweeps; ++s) {
    if (column(s) >= width) continue;
    float v[N];
    float w[N];
    widen<T>(v, in[s]);
    load(w, weight + column(s));
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = (v[i] - average) * scale * w[i];
    if (kCentred) {
      load(w, bias + column(s));
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += w[i];
    }
    store(y + row * width + column(s), v);
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

BURGEON_KERNEL(kColumnThreads, 1)
add_parameter_kernel(float* dweight, float* dbias, float* dshift, float shift_scale, const float* partials, int outputs,
                     int64_t chunks, int64_t width) {
  const int output = block_y();
  float* const out = output == 0 ? dweight : output == 1 ? dbias : dshift;
  add_column_partials(out, partials, output, outputs, chunks, width, output == 2 ? shift_scale : 1, 1);
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
      constexpr int N = decltype(lanes)::value;
      constexpr bool kCentred = decltype(centred)::value;
      const auto run = [&](auto kernel) {
        launch(stream, {ceil_div(n, kRowWarps)}, kRowThreads, 0, kernel, y, mean, rstd, x, weight, bias, n, width,
               epsilon);
      };
      if constexpr (N == 8) {
        const auto run_rows = [&](auto sweeps) { run(norm_row_kernel<T, N, decltype(sweeps)::value, kCentred>); };
        if (with_sweeps(ceil_div(width, N * kWarpSize), run_rows)) return;
      }
      run(norm_kernel<T, N, kCentred>);
    });
  });
}

size_t norm_backward_scratch_bytes(int64_t n, int64_t width) {
  const size_t pass = static_cast<size_t>(ceil_div(n, pass_chunk_rows(n)) * 3 * width) * sizeof(float);
  const size_t columns = column_scratch_bytes(2, n, width);
  return pass > columns ? pass : columns;
}

template <class T>
void norm_backward(Stream stream, T* dx, float* dweight, float* dbias, float* dshift, float shift_scale, const T* dy,
                   const T* x, const float* mean, const float* rstd, const float* weight, int64_t n, int64_t width,
                   void* scratch) {
  float* const partials = static_cast<float*>(scratch);
  int64_t chunk_rows = column_chunk_rows(n);
  int outputs = mean ? 2 : 1;
  bool sums_shift = false;
  with_vectors<T>(in_vectors(kVector<T>, width, dx, dy, x, weight), [&](auto lanes) {
    with_mean(mean != nullptr, [&](auto centred) {
      constexpr int N = decltype(lanes)::value;
      constexpr bool kCentred = decltype(centred)::value;
      if constexpr (N == 8) {
        const bool done = with_sweeps(ceil_div(width, N * kWarpSize), [&](auto sweeps) {
          chunk_rows = pass_chunk_rows(n);
          constexpr int kSweeps = decltype(sweeps)::value;
          sums_shift = kSumsShift<kSweeps, kCentred>;
          launch(stream, {ceil_div(n, chunk_rows)}, kRowThreads, PassRows<kSweeps, kCentred>::kBytes,
                 norm_pass_kernel<T, N, kSweeps, kCentred>, dx, partials, dy, x, mean, rstd, weight, n, width,
                 chunk_rows);
        });
        if (done) return;
      }
      launch(stream, {ceil_div(n, kRowWarps)}, kRowThreads, 0, norm_gradient_kernel<T, N, kCentred>, dx, dy, x, mean,
             rstd, weight, n, width);
      launch(stream, column_grid<N>(n, width), kColumnThreads, 0, norm_parameter_kernel<T, N, kCentred>, partials, dy,
             x, mean, rstd, n, width, chunk_rows);
    });
  });
  // The pass leaves sums of dx that nobody may have asked for.
  launch(stream, column_sum_grid(width, sums_shift && dshift ? 3 : outputs), kColumnThreads, 0, add_parameter_kernel,
         dweight, dbias, dshift, shift_scale, partials, sums_shift ? 3 : outputs, ceil_div(n, chunk_rows), width);
  if (dshift && !sums_shift) {
    linear_bias_gradient<T>(stream, dshift, dx, width, n, width, shift_scale, 1, scratch);
  }
}

template void norm_forward<float>(Stream, float*, float*, float*, const float*, const float*, const float*, int64_t,
                                  int64_t, float);
template void norm_forward<bfloat16>(Stream, bfloat16*, float*, float*, const bfloat16*, const float*, const float*,
                                     int64_t, int64_t, float);
template void norm_backward<float>(Stream, float*, float*, float*, float*, float, const float*, const float*,
                                   const float*, const float*, const float*, int64_t, int64_t, void*);
template void norm_backward<bfloat16>(Stream, bfloat16*, float*, float*, float*, float, const bfloat16*,
                                      const bfloat16*, const float*, const float*, const float*, int64_t, int64_t,
                                      void*);

}  // namespace burgeon::cuda
