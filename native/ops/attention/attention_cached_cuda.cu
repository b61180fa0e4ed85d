// Attention of a few new tokens over a cache of keys and values: a warp for each new token and head, its lanes over the
// dimensions of the head. Reading the cache once is what it takes.
#include "kernels/cuda/reduce.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

constexpr int kWarps = 4;
// Dimensions of a head that a lane keeps at once; heads are cut into pieces of 32 times as many.
constexpr int kPerLane = 8;
constexpr int kMostDimensions = 32 * kPerLane;

template <class T>
BURGEON_KERNEL(kElementThreads, 4)
cache_append_kernel(T* keys, T* values, const T* qkv, uint32_t count, uint32_t sequence, uint32_t heads,
                    uint32_t kv_heads, uint32_t head_size, int64_t capacity, int64_t length) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const uint32_t d = index % head_size;
  const uint32_t g = index / head_size % kv_heads;
  const uint32_t row = index / head_size / kv_heads;
  const uint32_t b = row / sequence;
  const T* const key = qkv + (static_cast<int64_t>(row) * (heads + 2 * kv_heads) + heads + g) * head_size + d;
  const int64_t to = ((static_cast<int64_t>(b) * kv_heads + g) * capacity + length + row % sequence) * head_size + d;
  keys[to] = key[0];
  values[to] = key[static_cast<int64_t>(kv_heads) * head_size];
}

template <class T>
BURGEON_KERNEL(kWarps* kWarpSize, 2)
attention_cached_kernel(T* out, const T* qkv, const T* all_keys, const T* all_values, int64_t warps, int64_t sequence,
                        int64_t heads, int64_t kv_heads, int head_size, int64_t capacity, int64_t length, float scale) {
  const int lane = thread_index() % kWarpSize;
  const int64_t warp = static_cast<int64_t>(block_x()) * kWarps + thread_index() / kWarpSize;
  if (warp >= warps) return;
  const int64_t a = warp % heads;
  const int64_t row = warp / heads;
  const int64_t b = row / sequence;
  const int64_t first = (b * kv_heads + a / (heads / kv_heads)) * capacity * head_size;
  const T* const keys = all_keys + first;
  const T* const values = all_values + first;
  const T* const query = qkv + (row * (heads + 2 * kv_heads) + a) * head_size;
  float q[kPerLane] = {};
  float sum[kPerLane] = {};
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int d = lane + i * kWarpSize;
    if (d < head_size) q[i] = widen(query[d]) * scale;
  }
  // Sums relative to the largest score so far.
  const int64_t visible = length - sequence + row % sequence + 1;
  float top = -3.4e38f;
  float total = 0;
  for (int64_t j = 0; j < visible; ++j) {
    float product = 0;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const int d = lane + i * kWarpSize;
      if (d < head_size) product += q[i] * widen(keys[j * head_size + d]);
    }
    const float score = warp_sum(product);
    const float next = larger(top, score);
    const float kept = exp_fast(top - next);
    const float weight = exp_fast(score - next);
    top = next;
    total = total * kept + weight;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const int d = lane + i * kWarpSize;
      if (d < head_size) sum[i] = sum[i] * kept + weight * widen(values[j * head_size + d]);
    }
  }
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int d = lane + i * kWarpSize;
    if (d < head_size) out[warp * head_size + d] = narrow<T>(sum[i] / total);
  }
}

}  // namespace

template <class T>
void cache_append(Stream stream, const KeyValueCache<T>& cache, const T* qkv, int64_t batch, int64_t sequence,
                  int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t count = batch * sequence * kv_heads * head_size;
  launch(stream, grid_of(count), kElementThreads, 0, cache_append_kernel<T>, cache.keys, cache.values, qkv, count,
         sequence, heads, kv_heads, head_size, cache.capacity, cache.length);
}

template <class T>
void attention_cached(Stream stream, T* out, const T* qkv, const KeyValueCache<T>& cache, int64_t batch,
                      int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  if (head_size > kMostDimensions) {
    throw Error(ErrorCode::kCuda, "CUDA: generation needs heads of at most " + std::to_string(kMostDimensions) +
                                      " dimensions, these have " + std::to_string(head_size));
  }
  const int64_t warps = batch * sequence * heads;
  launch(stream, Grid{ceil_div(warps, kWarps)}, kWarps * kWarpSize, 0, attention_cached_kernel<T>, out, qkv, cache.keys,
         cache.values, warps, sequence, heads, kv_heads, head_size, cache.capacity, cache.length,
         1.0f / std::sqrt(static_cast<float>(head_size)));
}

#define BURGEON_CACHED(T)                                                                                              \
  template void cache_append<T>(Stream, const KeyValueCache<T>&, const T*, int64_t, int64_t, int64_t, int64_t,         \
                                int64_t);                                                                              \
  template void attention_cached<T>(Stream, T*, const T*, const KeyValueCache<T>&, int64_t, int64_t, int64_t, int64_t, \
                                    int64_t);
BURGEON_CACHED(float)
BURGEON_CACHED(bfloat16)
#undef BURGEON_CACHED

}  // namespace burgeon::cuda
