#include <cmath>

#include "ops/attention/attention.h"

namespace burgeon::ref {

template <class T>
void cache_append(OpContext&, const KeyValueCache<T>& cache, const T* qkv, int64_t batch, int64_t sequence,
                  int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t g = 0; g < kv_heads; ++g) {
      for (int64_t t = 0; t < sequence; ++t) {
        const T* key = qkv + (b * sequence + t) * row + (heads + g) * head_size;
        const int64_t to = ((b * kv_heads + g) * cache.capacity + cache.length + t) * head_size;
        for (int64_t d = 0; d < head_size; ++d) {
          cache.keys[to + d] = key[d];
          cache.values[to + d] = key[kv_heads * head_size + d];
        }
      }
    }
  }
}

template <class T>
void attention_cached(OpContext& ctx, T* out, const T* qkv, const KeyValueCache<T>& cache, int64_t batch,
                      int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_size));
  double* scores = reinterpret_cast<double*>(ctx.thread_scratch);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t a = 0; a < heads; ++a) {
      const int64_t first = (b * kv_heads + a / (heads / kv_heads)) * cache.capacity * head_size;
      const T* keys = cache.keys + first;
      const T* values = cache.values + first;
      for (int64_t i = 0; i < sequence; ++i) {
        const T* q = qkv + (b * sequence + i) * row + a * head_size;
        const int64_t visible = cache.length - sequence + i + 1;
        double largest = -INFINITY;
        for (int64_t j = 0; j < visible; ++j) {
          scores[j] = 0;
          for (int64_t d = 0; d < head_size; ++d) scores[j] += scale * q[d] * keys[j * head_size + d];
          if (!(scores[j] <= largest)) largest = scores[j];
        }
        double sum = 0;
        for (int64_t j = 0; j < visible; ++j) sum += scores[j] = std::exp(scores[j] - largest);
        T* result = out + ((b * sequence + i) * heads + a) * head_size;
        for (int64_t d = 0; d < head_size; ++d) {
          double value = 0;
          for (int64_t j = 0; j < visible; ++j) value += scores[j] / sum * values[j * head_size + d];
          result[d] = static_cast<T>(value);
        }
        ctx.multiply_adds += 2 * visible * head_size;
      }
    }
  }
}

template CacheAppend<float> cache_append<float>;
template CacheAppend<double> cache_append<double>;
template AttentionCached<float> attention_cached<float>;
template AttentionCached<double> attention_cached<double>;

}  // namespace burgeon::ref
