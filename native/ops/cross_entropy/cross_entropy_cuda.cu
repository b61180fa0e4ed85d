// A block has a row of logits: one pass over memory for the maximum and the sum together, a second, which finds the row
// in the second-level cache, for the gradient.
#include <cmath>

#include "kernels/cuda/reduce.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

constexpr int kThreads = 512;

// Elements of the row of which whole vectors are read; a row need not end with one.
template <int N>
BURGEON_DEVICE int64_t whole_vectors(int64_t vocab) {
  return vocab / N * N;
}

// The sum of exponentials, relative to the largest so far. Where all are -inf the sum is 0, not NaN.
struct RunningSum {
  float largest = -INFINITY;
  float sum = 0;

  template <int N>
  BURGEON_DEVICE void add(const float (&x)[N]) {
    float top = largest;
#pragma unroll
    for (int i = 0; i < N; ++i) top = larger(top, x[i]);
    if (top > largest) {
      sum *= exp_fast(largest - top);
      largest = top;
    }
    const float base = largest == -INFINITY ? 0 : largest;
#pragma unroll
    for (int i = 0; i < N; ++i) sum += exp_fast(x[i] - base);
  }
};

template <class T, int N>
BURGEON_KERNEL(kThreads, 2)
cross_entropy_kernel(float* losses, T* logits, const int32_t* targets, int64_t vocab, int64_t stride,
                     float gradient_scale) {
  T* const row = logits + block_x() * stride;
  const int32_t target = targets[block_x()];
  const int64_t whole = whole_vectors<N>(vocab);
  if (target < 0) {
    if (thread_index() == 0) losses[block_x()] = 0;
    if (gradient_scale == 0) return;
    const float zeros[N] = {};
    const float zero[1] = {};
    for (int64_t v = thread_index() * N; v < whole; v += kThreads * N) store(row + v, zeros);
    for (int64_t v = whole + thread_index(); v < vocab; v += kThreads) store(row + v, zero);
    return;
  }

  RunningSum own;
  for (int64_t v = thread_index() * N; v < whole; v += kThreads * N) {
    float x[N];
    load(x, row + v);
    own.add(x);
  }
  for (int64_t v = whole + thread_index(); v < vocab; v += kThreads) {
    const float x[1] = {widen(row[v])};
    own.add(x);
  }
  const float largest = block_max(own.largest);
  const float share = own.largest == -INFINITY ? own.sum : own.sum * exp_fast(own.largest - largest);
  const float sum = block_sum(share);
  if (thread_index() == 0) losses[block_x()] = log_accurate(sum) + largest - widen(row[target]);
  if (gradient_scale == 0) return;

  sync_threads();  // the loss reads a logit
  const float factor = gradient_scale / sum;
  const auto gradient = [=](float x, int64_t v) {
    return factor * exp_fast(x - largest) - (v == target ? gradient_scale : 0);
  };
  for (int64_t v = thread_index() * N; v < whole; v += kThreads * N) {
    float x[N];
    load(x, row + v);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = gradient(x[i], v + i);
    store(row + v, x);
  }
  for (int64_t v = whole + thread_index(); v < vocab; v += kThreads) {
    row[v] = narrow<T>(gradient(widen(row[v]), v));
  }
}

}  // namespace

template <class T>
void cross_entropy(Stream stream, float* losses, T* logits, const int32_t* targets, int64_t n, int64_t vocab,
                   int64_t stride, float gradient_scale) {
  with_vectors<T>(in_vectors(kVector<T>, stride, logits), [&](auto lanes) {
    launch(stream, {n}, kThreads, 0, cross_entropy_kernel<T, decltype(lanes)::value>, losses, logits, targets, vocab,
           stride, gradient_scale);
  });
}

template void cross_entropy<float>(Stream, float*, float*, const int32_t*, int64_t, int64_t, int64_t, float);
template void cross_entropy<bfloat16>(Stream, float*, bfloat16*, const int32_t*, int64_t, int64_t, int64_t, float);

}  // namespace burgeon::cuda
