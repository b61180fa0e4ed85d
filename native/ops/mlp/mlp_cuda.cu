// The up-projection with GELU in the epilogue of its product, and activations apart from products: where a library
// makes these, and for SwiGLU.
#include "kernels/cuda/product.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

template <class T, int N>
BURGEON_DEVICE void gelu_at(T* act, const T* pre) {
  float x[N];
  load(x, pre);
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = gelu<T>(x[i]);
  store(act, x);
}

template <class T, int N>
BURGEON_DEVICE void gelu_gradient_at(T* d, const T* pre) {
  float x[N];
  float y[N];
  load(x, pre);
  load(y, d);
#pragma unroll
  for (int i = 0; i < N; ++i) y[i] *= gelu_slope<T>(x[i]);
  store(d, y);
}

// A thread has N elements; one has what is left behind the last N.
template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
gelu_kernel(T* act, const T* pre, int64_t count) {
  const int64_t first = static_cast<int64_t>(element_index()) * N;
  if (first + N <= count) {
    gelu_at<T, N>(act + first, pre + first);
  } else {
    for (int64_t i = first; i < count; ++i) gelu_at<T, 1>(act + i, pre + i);
  }
}

template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
gelu_gradient_kernel(T* d, const T* pre, int64_t count) {
  const int64_t first = static_cast<int64_t>(element_index()) * N;
  if (first + N <= count) {
    gelu_gradient_at<T, N>(d + first, pre + first);
  } else {
    for (int64_t i = first; i < count; ++i) gelu_gradient_at<T, 1>(d + i, pre + i);
  }
}

template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
swiglu_kernel(T* act, const T* gate, const T* up, uint32_t count, uint32_t per_row, int64_t stride) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const int64_t from = index / per_row * stride + index % per_row * N;
  float g[N];
  float u[N];
  load(g, gate + from);
  load(u, up + from);
#pragma unroll
  for (int i = 0; i < N; ++i) u[i] *= silu<T>(g[i]);
  store(act + static_cast<int64_t>(index) * N, u);
}

template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
swiglu_gradient_kernel(T* dgate, T* dup, const T* d, const T* gate, const T* up, uint32_t count, uint32_t per_row,
                       int64_t stride) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const int64_t at = index / per_row * stride + index % per_row * N;
  float g[N];
  float u[N];
  float grad[N];
  load(g, gate + at);
  load(u, up + at);
  load(grad, d + static_cast<int64_t>(index) * N);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    u[i] *= grad[i] * silu_slope<T>(g[i]);
    g[i] = grad[i] * silu<T>(g[i]);
  }
  store(dgate + at, u);
  store(dup + at, g);
}

}  // namespace

template <class T>
void mlp_forward(Stream stream, T* act, T* pre, const T* x, const T* w, const float* bias, int64_t n, int64_t row_count,
                 int64_t cols) {
  ActivationEpilogue<T, Activation::kGelu> epilogue{act, row_count};
  epilogue.bias = bias;
  epilogue.pre = pre;
  product<true, true>(stream, Operand<T>{x, cols}, Operand<T>{w, cols}, product_shape(n, row_count, cols), epilogue);
}

template <class T>
void mlp_backward(Stream stream, T* dpre, const T* dy, const T* pre, const T* w, int64_t n, int64_t row_count,
                  int64_t cols, float alpha) {
  ActivationEpilogue<T, Activation::kGeluSlope> epilogue{dpre, row_count};
  epilogue.alpha = alpha;
  epilogue.pre = const_cast<T*>(pre);  // read only
  product<true, true>(stream, Operand<T>{dy, cols}, Operand<T>{w, cols}, product_shape(n, row_count, cols), epilogue);
}

template <class T>
void gelu_forward(Stream stream, T* act, const T* pre, int64_t count) {
  with_vectors<T>(in_vectors(1, count, act, pre), [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    launch(stream, grid_of(ceil_div(count, N)), kElementThreads, 0, gelu_kernel<T, N>, act, pre, count);
  });
}

template <class T>
void gelu_backward(Stream stream, T* d, const T* pre, int64_t count) {
  with_vectors<T>(in_vectors(1, count, d, pre), [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    launch(stream, grid_of(ceil_div(count, N)), kElementThreads, 0, gelu_gradient_kernel<T, N>, d, pre, count);
  });
}

template <class T>
void swiglu_forward(Stream stream, T* act, const T* gate, const T* up, int64_t n, int64_t width, int64_t stride) {
  with_vectors<T>(in_vectors(kVector<T>, width, act, gate, up) && stride % kVector<T> == 0, [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    const int64_t count = n * (width / N);
    launch(stream, grid_of(count), kElementThreads, 0, swiglu_kernel<T, N>, act, gate, up, count, width / N, stride);
  });
}

template <class T>
void swiglu_backward(Stream stream, T* dgate, T* dup, const T* d, const T* gate, const T* up, int64_t n, int64_t width,
                     int64_t stride) {
  const bool vectors = in_vectors(kVector<T>, width, dgate, dup, d, gate, up) && stride % kVector<T> == 0;
  with_vectors<T>(vectors, [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    const int64_t count = n * (width / N);
    launch(stream, grid_of(count), kElementThreads, 0, swiglu_gradient_kernel<T, N>, dgate, dup, d, gate, up, count,
           width / N, stride);
  });
}

template void mlp_forward<float>(Stream, float*, float*, const float*, const float*, const float*, int64_t, int64_t,
                                 int64_t);
template void mlp_forward<bfloat16>(Stream, bfloat16*, bfloat16*, const bfloat16*, const bfloat16*, const float*,
                                    int64_t, int64_t, int64_t);
template void mlp_backward<float>(Stream, float*, const float*, const float*, const float*, int64_t, int64_t, int64_t,
                                  float);
template void mlp_backward<bfloat16>(Stream, bfloat16*, const bfloat16*, const bfloat16*, const bfloat16*, int64_t,
                                     int64_t, int64_t, float);
template void gelu_forward<float>(Stream, float*, const float*, int64_t);
template void gelu_forward<bfloat16>(Stream, bfloat16*, const bfloat16*, int64_t);
template void gelu_backward<float>(Stream, float*, const float*, int64_t);
template void gelu_backward<bfloat16>(Stream, bfloat16*, const bfloat16*, int64_t);
template void swiglu_forward<float>(Stream, float*, const float*, const float*, int64_t, int64_t, int64_t);
template void swiglu_forward<bfloat16>(Stream, bfloat16*, const bfloat16*, const bfloat16*, int64_t, int64_t, int64_t);
template void swiglu_backward<float>(Stream, float*, float*, const float*, const float*, const float*, int64_t, int64_t,
                                     int64_t);
template void swiglu_backward<bfloat16>(Stream, bfloat16*, bfloat16*, const bfloat16*, const bfloat16*, const bfloat16*,
                                        int64_t, int64_t, int64_t);

}  // namespace burgeon::cuda
