#include <cmath>

#include "ops/attention/attention.h"

namespace burgeon::ref {

namespace {

// Dot product of two heads' vectors.
template <class T>
double dot(const T* a, const T* b, int64_t n) {
  double sum = 0;
  for (int64_t d = 0; d < n; ++d) sum += static_cast<double>(a[d]) * b[d];
  return sum;
}

}  // namespace

template <class T>
void attention_forward(OpContext& ctx, T* out, Master<T>* lse, const T* qkv, int64_t batch, int64_t sequence,
                       int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_size));
  double* scores = reinterpret_cast<double*>(ctx.thread_scratch);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t a = 0; a < heads; ++a) {
      const T* q = qkv + b * sequence * row + a * head_size;
      const T* k = qkv + b * sequence * row + (heads + a / (heads / kv_heads)) * head_size;
      const T* v = k + kv_heads * head_size;
      for (int64_t i = 0; i < sequence; ++i) {
        double largest = -INFINITY;
        for (int64_t j = 0; j <= i; ++j) {
          scores[j] = scale * dot(q + i * row, k + j * row, head_size);
          ctx.multiply_adds += head_size;
          // Written so that a NaN score wins and shows in the result.
          if (!(scores[j] <= largest)) largest = scores[j];
        }
        double sum = 0;
        for (int64_t j = 0; j <= i; ++j) sum += std::exp(scores[j] - largest);
        lse[(b * heads + a) * sequence + i] = static_cast<T>(largest + std::log(sum));
        T* result = out + ((b * sequence + i) * heads + a) * head_size;
        for (int64_t d = 0; d < head_size; ++d) {
          double value = 0;
          for (int64_t j = 0; j <= i; ++j) {
            value += std::exp(scores[j] - largest) / sum * v[j * row + d];
            ++ctx.multiply_adds;
          }
          result[d] = static_cast<T>(value);
        }
      }
    }
  }
}

template <class T>
void attention_backward(OpContext& ctx, T* dqkv, const T* dout, const T* qkv, const T* out, const Master<T>* lse,
                        int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  const int64_t out_row = heads * head_size;
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_size));
  for (int64_t i = 0; i < batch * sequence * row; ++i) dqkv[i] = 0;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t a = 0; a < heads; ++a) {
      const T* q = qkv + b * sequence * row + a * head_size;
      const T* k = qkv + b * sequence * row + (heads + a / (heads / kv_heads)) * head_size;
      const T* v = k + kv_heads * head_size;
      T* dq = dqkv + b * sequence * row + a * head_size;
      T* dk = dqkv + (k - qkv);
      T* dv = dqkv + (v - qkv);
      for (int64_t i = 0; i < sequence; ++i) {
        const T* d_i = dout + (b * sequence + i) * out_row + a * head_size;
        const T* out_i = out + (b * sequence + i) * out_row + a * head_size;
        const double row_sum = dot(d_i, out_i, head_size);
        for (int64_t j = 0; j <= i; ++j) {
          const double score = scale * dot(q + i * row, k + j * row, head_size);
          const double p = std::exp(score - lse[(b * heads + a) * sequence + i]);
          const double ds = p * (dot(d_i, v + j * row, head_size) - row_sum) * scale;
          ctx.multiply_adds += head_size;
          for (int64_t d = 0; d < head_size; ++d) {
            dq[i * row + d] += static_cast<T>(ds * k[j * row + d]);
            dk[j * row + d] += static_cast<T>(ds * q[i * row + d]);
            dv[j * row + d] += static_cast<T>(p * d_i[d]);
            ctx.multiply_adds += 3;
          }
        }
      }
    }
  }
}

template AttentionForward<float> attention_forward<float>;
template AttentionForward<double> attention_forward<double>;
template AttentionBackward<float> attention_backward<float>;
template AttentionBackward<double> attention_backward<double>;

}  // namespace burgeon::ref
