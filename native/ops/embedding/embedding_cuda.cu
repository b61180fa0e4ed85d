// The backward pass gives each row of dwte one owner: the positions that hold a token follow each other in an order
// made on the host, so nothing is added atomically and every sum has its order.
#include "kernels/cuda/vector.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
embedding_kernel(T* x, const int32_t* tokens, const float* wte, const float* wpe, uint32_t count, uint32_t per_row,
                 uint32_t sequence) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const uint32_t i = index / per_row;
  const uint32_t column = index % per_row;
  float sum[N];
  load(sum, wte + (static_cast<int64_t>(tokens[i]) * per_row + column) * N);
  if (wpe) {
    float position[N];
    load(position, wpe + (static_cast<int64_t>(i % sequence) * per_row + column) * N);
#pragma unroll
    for (int v = 0; v < N; ++v) sum[v] += position[v];
  }
  store(x + static_cast<int64_t>(index) * N, sum);
}

constexpr int kTokenWarps = 8;
constexpr int kTokenThreads = kTokenWarps * kWarpSize;

// One block for a token that occurs and 32 N columns. order: how many tokens occur; where the positions of each begin,
// and where the last ones end; the positions. Warp w adds every eighth position from w on.
template <class T, int N>
BURGEON_KERNEL(kTokenThreads, 2)
token_gradient_kernel(float* dwte, const T* dx, const int32_t* tokens, const int32_t* order, int64_t n, int64_t width) {
  BURGEON_SHARED(float, sums, kTokenWarps* kWarpSize* N);
  const int segment = block_x();
  if (segment >= order[0]) return;
  const int32_t* const starts = order + 1;
  const int32_t* const positions = starts + n + 1;
  const int warp = thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  const int64_t first = static_cast<int64_t>(block_y()) * kWarpSize * N;
  const int64_t column = first + lane * N;
  float total[N] = {};
  if (column < width) {
    for (int i = starts[segment] + warp; i < starts[segment + 1]; i += kTokenWarps) {
      float x[N];
      load(x, dx + positions[i] * width + column);
#pragma unroll
      for (int v = 0; v < N; ++v) total[v] += x[v];
    }
  }
#pragma unroll
  for (int v = 0; v < N; ++v) sums[(warp * kWarpSize + lane) * N + v] = total[v];
  sync_threads();
  const int64_t token = tokens[segment];
  for (int i = thread_index(); i < kWarpSize * N && first + i < width; i += kTokenThreads) {
    float sum = 0;
    for (int w = 0; w < kTokenWarps; ++w) sum += sums[w * kWarpSize * N + i];
    dwte[token * width + first + i] += sum;
  }
}

template <class T, int N>
BURGEON_KERNEL(kElementThreads, 4)
position_gradient_kernel(float* dwpe, const T* dx, uint32_t count, int64_t batch) {
  const uint32_t index = element_index();
  if (index >= count) return;
  float sum[N];
  load(sum, dwpe + static_cast<int64_t>(index) * N);
  for (int64_t b = 0; b < batch; ++b) {
    float x[N];
    load(x, dx + (b * count + index) * N);
#pragma unroll
    for (int v = 0; v < N; ++v) sum[v] += x[v];
  }
  store(dwpe + static_cast<int64_t>(index) * N, sum);
}

}  // namespace

template <class T>
void embedding_forward(Stream stream, T* x, const int32_t* tokens, const float* wte, const float* wpe, int64_t batch,
                       int64_t sequence, int64_t width) {
  with_vectors<T>(in_vectors(kVector<T>, width, x, wte, wpe), [&](auto n) {
    constexpr int N = decltype(n)::value;
    const int64_t count = batch * sequence * (width / N);
    launch(stream, grid_of(count), kElementThreads, 0, embedding_kernel<T, N>, x, tokens, wte, wpe, count, width / N,
           sequence);
  });
}

// The number of tokens that occur; n + 1 starts; n positions; n tokens.
int64_t token_order_words(int64_t n) { return 3 * n + 2; }

void order_tokens(int32_t* order, const int32_t* tokens, int64_t n, int32_t* counts, int64_t vocab) {
  int32_t* const starts = order + 1;
  int32_t* const positions = starts + n + 1;
  int32_t* const occurring = positions + n;
  for (int64_t v = 0; v <= vocab; ++v) counts[v] = 0;
  for (int64_t i = 0; i < n; ++i) ++counts[tokens[i] + 1];
  int32_t segments = 0;
  for (int64_t v = 0; v < vocab; ++v) {
    if (counts[v + 1] > 0) {
      starts[segments] = counts[v];
      occurring[segments++] = static_cast<int32_t>(v);
    }
    counts[v + 1] += counts[v];
  }
  order[0] = segments;
  for (int64_t s = segments; s <= n; ++s) starts[s] = static_cast<int32_t>(n);
  for (int64_t i = 0; i < n; ++i) positions[counts[tokens[i]]++] = static_cast<int32_t>(i);
  for (int64_t s = segments; s < n; ++s) occurring[s] = 0;  // no word of the order is undefined
}

template <class T>
void embedding_backward(Stream stream, float* dwte, float* dwpe, const T* dx, const int32_t* order, int64_t batch,
                        int64_t sequence, int64_t width) {
  const int64_t tokens = batch * sequence;
  with_vectors<T>(in_vectors(kVector<T>, width, dwte, dwpe, dx), [&](auto n) {
    constexpr int N = decltype(n)::value;
    launch(stream, {tokens, ceil_div(width, kWarpSize * N)}, kTokenThreads, 0, token_gradient_kernel<T, N>, dwte, dx,
           order + 2 * tokens + 2, order, tokens, width);
    if (!dwpe) return;
    const int64_t count = sequence * (width / N);
    launch(stream, grid_of(count), kElementThreads, 0, position_gradient_kernel<T, N>, dwpe, dx, count, batch);
  });
}

template void embedding_forward<float>(Stream, float*, const int32_t*, const float*, const float*, int64_t, int64_t,
                                       int64_t);
template void embedding_forward<bfloat16>(Stream, bfloat16*, const int32_t*, const float*, const float*, int64_t,
                                          int64_t, int64_t);
template void embedding_backward<float>(Stream, float*, float*, const float*, const int32_t*, int64_t, int64_t,
                                        int64_t);
template void embedding_backward<bfloat16>(Stream, float*, float*, const bfloat16*, const int32_t*, int64_t, int64_t,
                                           int64_t);

}  // namespace burgeon::cuda
