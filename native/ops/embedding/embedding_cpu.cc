#include "core/bfloat16.h"
#include "kernels/cpu/simd.h"
#include "ops/embedding/embedding.h"

namespace burgeon::BURGEON_ISA {

namespace {
constexpr int64_t kTokensPerTask = 64;
constexpr int64_t kColumnsPerTask = 64;
}  // namespace

template <class T>
void embedding_forward(OpContext& ctx, float* x, const int32_t* tokens, const Master<T>* wte, const Master<T>* wpe,
                       int64_t batch, int64_t sequence, int64_t width) {
  const int64_t n = batch * sequence;
  parallel_for(ctx, ceil_div(n, kTokensPerTask), [&](int64_t task, int) {
    for (int64_t i = task * kTokensPerTask; i < smaller(n, (task + 1) * kTokensPerTask); ++i) {
      const float* token = wte + tokens[i] * width;
      float* out = x + i * width;
      if (wpe) {
        const float* position = wpe + (i % sequence) * width;
        for (int64_t c = 0; c < width; ++c) out[c] = token[c] + position[c];
      } else {
        for (int64_t c = 0; c < width; ++c) out[c] = token[c];
      }
    }
  });
}

// A task owns some columns of the tables and walks all tokens in order: no two tasks add to the same element.
template <class T>
void embedding_backward(OpContext& ctx, Master<T>* dwte, Master<T>* dwpe, const float* dx, const int32_t* tokens,
                        int64_t batch, int64_t sequence, int64_t width) {
  parallel_for(ctx, ceil_div(width, kColumnsPerTask), [&](int64_t task, int) {
    const int64_t begin = task * kColumnsPerTask;
    const int64_t end = smaller(width, begin + kColumnsPerTask);
    for (int64_t i = 0; i < batch * sequence; ++i) {
      const float* row = dx + i * width;
      float* token = dwte + tokens[i] * width;
      for (int64_t c = begin; c < end; ++c) token[c] += row[c];
      if (!dwpe) continue;
      float* position = dwpe + (i % sequence) * width;
      for (int64_t c = begin; c < end; ++c) position[c] += row[c];
    }
  });
}

template EmbeddingForward<float, float> embedding_forward<float>;
template EmbeddingForward<bfloat16, float> embedding_forward<bfloat16>;
template EmbeddingBackward<float, float> embedding_backward<float>;
template EmbeddingBackward<bfloat16, float> embedding_backward<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
