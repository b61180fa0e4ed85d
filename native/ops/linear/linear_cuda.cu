// The products with weight matrices (kernels/cuda/product.cuh), and column sums for the gradients of biases.
#include "kernels/cuda/product.cuh"
#include "kernels/cuda/reduce.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

// The weight gradient sums over all tokens for what may be few tiles: then the tokens are cut, and the parts added in
// order. What decides is the shape alone.
constexpr int64_t kMostSplits = 16;
constexpr int64_t kFewestTokensOfSplit = 1024;

// How long a product takes, in tiles of 128 x 128 over all tokens: multiprocessors work on tiles in waves, of which the
// last may have few. The matrix of each split is written and read, 8 bytes an element, which takes an H100 as long as
// about 850 tokens.
double time_of(int64_t n, int64_t row_count, int64_t cols, int64_t splits) {
  const int64_t tiles = ceil_div(row_count, 128) * ceil_div(cols, 128);
  const int64_t wide_tiles = ceil_div(row_count, 128) * ceil_div(cols, 256);
  const bool wide = wide_tiles * splits >= kEnoughTiles;  // as product() decides
  const int64_t waves = ceil_div((wide ? wide_tiles : tiles) * splits, kEnoughTiles);
  const double products = static_cast<double>(waves * (wide ? 2 : 1)) / static_cast<double>(splits);
  if (splits == 1) return products;
  return products + 850.0 / static_cast<double>(n) * static_cast<double>(splits * tiles) / kEnoughTiles;
}

int64_t split_count(int64_t n, int64_t row_count, int64_t cols) {
  int64_t best = 1;
  for (int64_t splits = 2; splits <= kMostSplits && splits <= n / kFewestTokensOfSplit; ++splits) {
    // A few percent are not worth the memory.
    if (time_of(n, row_count, cols, splits) < 0.95 * time_of(n, row_count, cols, best)) best = splits;
  }
  if (best == 1) return 1;
  // Pieces are whole tiles, so that fewer of them may do.
  const int64_t piece = ceil_div(ceil_div(n, best), kSplitDepth) * kSplitDepth;
  return ceil_div(n, piece);
}

template <int N>
BURGEON_KERNEL(kElementThreads, 4)
add_splits_kernel(float* dw, const float* parts, int64_t splits, uint32_t count, float alpha, float beta) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const int64_t at = static_cast<int64_t>(index) * N;
  float sum[N] = {};
  for (int64_t split = 0; split < splits; ++split) {
    float x[N];
    load(x, parts + split * count * N + at);
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] += x[i];
  }
  float old[N] = {};
  if (beta != 0) load(old, dw + at);
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] = alpha * sum[i] + beta * old[i];
  store(dw + at, sum);
}

template <class T, int N>
BURGEON_KERNEL(kColumnThreads, 2)
bias_gradient_kernel(float* partials, const T* p, int64_t stride, int64_t n, int64_t width, int64_t chunk_rows) {
  sum_columns<1, N>(partials, n, width, chunk_rows,
                    [=](auto& v, int64_t row, int64_t column) { load(v[0], p + row * stride + column); });
}

BURGEON_KERNEL(kColumnThreads, 1)
add_bias_kernel(float* db, const float* partials, int64_t chunks, int64_t width, float alpha, float beta) {
  add_column_partials(db, partials, 0, 1, chunks, width, alpha, beta);
}

BURGEON_KERNEL(kElementThreads, 4)
narrow_scaled_kernel(bfloat16* to, const float* from, uint32_t count, float scale) {
  const uint32_t index = element_index();
  if (index < count) to[index] = narrow_bfloat16(scale * from[index]);
}

}  // namespace

void add_bias_gradient(Stream stream, float* db, const float* sums, int64_t row_count, float beta) {
  launch(stream, column_sum_grid(row_count, 1), kColumnThreads, 0, add_bias_kernel, db, sums, 1, row_count, 1, beta);
}

void narrow_scaled(Stream stream, bfloat16* to, const float* from, int64_t count, float scale) {
  launch(stream, grid_of(count), kElementThreads, 0, narrow_scaled_kernel, to, from, count, scale);
}

template <class T>
void linear_expand(Stream stream, T* y, int64_t y_stride, const T* x, const T* w, const float* bias, int64_t n,
                   int64_t row_count, int64_t cols, float alpha) {
  ActivationEpilogue<T, Activation::kNone> epilogue{y, y_stride};
  epilogue.alpha = alpha;
  epilogue.bias = bias;
  product<true, true>(stream, Operand<T>{x, cols}, Operand<T>{w, cols}, product_shape(n, row_count, cols), epilogue);
}

template <class T>
void linear_contract(Stream stream, T* y, const T* x, int64_t x_stride, const T* w, const float* bias,
                     const T* residual, int64_t n, int64_t row_count, int64_t cols, float alpha, float bias_scale) {
  ActivationEpilogue<T, Activation::kNone> epilogue{y, cols};
  epilogue.alpha = alpha;
  epilogue.bias = bias;
  epilogue.bias_scale = bias_scale;
  epilogue.residual = residual;
  product<true, false>(stream, Operand<T>{x, x_stride}, Operand<T>{w, cols}, product_shape(n, cols, row_count),
                       epilogue);
}

size_t linear_weight_gradient_scratch_bytes(int64_t n, int64_t row_count, int64_t cols) {
  const int64_t splits = split_count(n, row_count, cols);
  return splits == 1 ? 0 : static_cast<size_t>(splits * row_count * cols) * sizeof(float);
}

template <class T>
void linear_weight_gradient(Stream stream, float* dw, const T* p, int64_t p_stride, const T* q, int64_t n,
                            int64_t row_count, int64_t cols, float alpha, float beta, void* scratch) {
  const Operand<T> a{p, p_stride};
  const Operand<T> b{q, cols};
  const ProductShape shape = product_shape(row_count, cols, n);
  const int64_t splits = split_count(n, row_count, cols);
  if (splits == 1) {
    product<false, false>(stream, a, b, shape, GradientEpilogue{dw, cols, alpha, beta});
    return;
  }
  float* const parts = static_cast<float*>(scratch);
  product<false, false>(stream, a, b, shape, GradientEpilogue{parts, cols, 1, 0, row_count * cols}, splits);
  with_vectors<float>(in_vectors(kVector<float>, row_count * cols, dw, parts), [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    const int64_t count = row_count * cols / N;
    launch(stream, grid_of(count), kElementThreads, 0, add_splits_kernel<N>, dw, parts, splits, count, alpha, beta);
  });
}

size_t linear_bias_gradient_scratch_bytes(int64_t n, int64_t row_count) {
  return column_scratch_bytes(1, n, row_count);
}

template <class T>
void linear_bias_gradient(Stream stream, float* db, const T* p, int64_t p_stride, int64_t n, int64_t row_count,
                          float alpha, float beta, void* scratch) {
  float* const partials = static_cast<float*>(scratch);
  const int64_t chunk_rows = column_chunk_rows(n);
  with_vectors<T>(in_vectors(kVector<T>, row_count, p) && p_stride % kVector<T> == 0, [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    launch(stream, column_grid<N>(n, row_count), kColumnThreads, 0, bias_gradient_kernel<T, N>, partials, p, p_stride,
           n, row_count, chunk_rows);
  });
  launch(stream, column_sum_grid(row_count, 1), kColumnThreads, 0, add_bias_kernel, db, partials,
         ceil_div(n, chunk_rows), row_count, alpha, beta);
}

#define BURGEON_LINEAR(T)                                                                                             \
  template void linear_expand<T>(Stream, T*, int64_t, const T*, const T*, const float*, int64_t, int64_t, int64_t,    \
                                 float);                                                                              \
  template void linear_contract<T>(Stream, T*, const T*, int64_t, const T*, const float*, const T*, int64_t, int64_t, \
                                   int64_t, float, float);                                                            \
  template void linear_weight_gradient<T>(Stream, float*, const T*, int64_t, const T*, int64_t, int64_t, int64_t,     \
                                          float, float, void*);                                                       \
  template void linear_bias_gradient<T>(Stream, float*, const T*, int64_t, int64_t, int64_t, float, float, void*);
BURGEON_LINEAR(float)
BURGEON_LINEAR(bfloat16)
#undef BURGEON_LINEAR

}  // namespace burgeon::cuda
