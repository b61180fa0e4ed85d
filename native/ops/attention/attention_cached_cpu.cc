// Attention of few new tokens over the keys and values of many: bound by reading the cache once per query.
#include "kernels/cpu/simd.h"
#include "ops/attention/attention.h"

namespace burgeon::BURGEON_ISA {

namespace {

template <class T>
float dot(const T* a, const T* b, int64_t n) {
  Vec sum = {};
  for (int64_t d = 0; d < n; d += kWidth) sum += load_first(a + d, n - d) * load_first(b + d, n - d);
  return sum_lanes(sum);
}

}  // namespace

template <class T>
void cache_append(OpContext& ctx, const KeyValueCache<T>& cache, const T* qkv, int64_t batch, int64_t sequence,
                  int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  parallel_for(ctx, batch * kv_heads, [&](int64_t task, int) {
    const int64_t b = task / kv_heads;
    const int64_t g = task % kv_heads;
    for (int64_t t = 0; t < sequence; ++t) {
      const T* key = qkv + (b * sequence + t) * row + (heads + g) * head_size;
      const T* value = key + kv_heads * head_size;
      const int64_t to = (task * cache.capacity + cache.length + t) * head_size;
      for (int64_t d = 0; d < head_size; ++d) cache.keys[to + d] = key[d];
      for (int64_t d = 0; d < head_size; ++d) cache.values[to + d] = value[d];
    }
  });
}

template <class T>
void attention_cached(OpContext& ctx, T* out, const T* qkv, const KeyValueCache<T>& cache, int64_t batch,
                      int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head_size));
  parallel_for(ctx, batch * sequence * heads, [&](int64_t task, int thread) {
    const int64_t token = task / heads;  // of all sequences
    const int64_t a = task % heads;
    const int64_t b = token / sequence;
    const int64_t visible = cache.length - sequence + token % sequence + 1;
    const int64_t first = (b * kv_heads + a / (heads / kv_heads)) * cache.capacity * head_size;
    const T* q = qkv + token * row + a * head_size;
    const T* keys = cache.keys + first;
    const T* values = cache.values + first;
    float* weights = scratch_of(ctx, thread);
    float top = -__builtin_inff();
    for (int64_t j = 0; j < visible; ++j) {
      weights[j] = scale * dot(q, keys + j * head_size, head_size);
      // Written so that a NaN score wins and shows in the result.
      if (!(weights[j] <= top)) top = weights[j];
    }
    Vec sums = {};
    for (int64_t j = 0; j < visible; j += kWidth) {
      Vec e = exponential(load_first(weights + j, visible - j) - top);
      if (j + kWidth > visible) e = keep_first(e, visible - j, 0);
      store_first(weights + j, e, visible - j);
      sums += e;
    }
    const float inverse = 1.0f / sum_lanes(sums);
    T* result = out + task * head_size;
    for (int64_t d = 0; d < head_size; d += kWidth) {
      Vec sum = {};
      for (int64_t j = 0; j < visible; ++j) sum += weights[j] * load_first(values + j * head_size + d, head_size - d);
      store_first(result + d, sum * inverse, head_size - d);
    }
  });
  const int64_t pairs = sequence * (cache.length - sequence) + sequence * (sequence + 1) / 2;
  ctx.multiply_adds += 2 * batch * heads * head_size * pairs;
}

template CacheAppend<float> cache_append<float>;
template CacheAppend<bfloat16> cache_append<bfloat16>;
template AttentionCached<float> attention_cached<float>;
template AttentionCached<bfloat16> attention_cached<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
