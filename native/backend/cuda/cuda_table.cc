#include "backend/cuda/cuda_table.h"

#include <algorithm>
#include <type_traits>

#include "backend/cuda/queue.h"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

// An op: counts its multiply-adds and queues its launches. What goes wrong is kept in the queue, until somebody waits
// for results.
template <class Launches>
void queued(OpContext& ctx, int64_t multiply_adds, Launches launches) noexcept {
  Queue& queue = *static_cast<Queue*>(ctx.queue);
  ctx.multiply_adds += multiply_adds;
  attempt(queue, [&] { launches(queue.stream); });
}

// An op on parts: likewise, with the queue's table.
template <class Launches>
void queued_parts(OpContext& ctx, Launches launches) noexcept {
  void* const table = static_cast<Queue*>(ctx.queue)->table;
  queued(ctx, 0, [&](Stream stream) { launches(stream, table); });
}

// A product: by the library where there is one that has it, else by the kernel.
template <class T, class Library, class Kernel>
void multiply(OpContext& ctx, Library library, Kernel kernel) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    LibraryProducts* const products = static_cast<Queue*>(ctx.queue)->products.get();
    if (products && library(*products)) return;
  }
  kernel();
}

// Query and key pairs of a causal triangle, twice HS multiply-adds each.
int64_t pairs(int64_t batch, int64_t sequence, int64_t heads) {
  return batch * heads * (sequence * (sequence + 1) / 2);
}

template <class T>
void multiply_expand(OpContext& ctx, Stream stream, T* y, int64_t y_stride, const T* x, const T* w, const float* bias,
                     int64_t n, int64_t row_count, int64_t cols, float alpha) {
  multiply<T>(
      ctx, [&](auto& by) { return by.linear_expand(y, y_stride, x, w, bias, n, row_count, cols, alpha); },
      [&] { linear_expand<T>(stream, y, y_stride, x, w, bias, n, row_count, cols, alpha); });
}

// The ops, by the names of the list; what they launch has the same names, in cuda.
namespace op {

template <class T>
void gather_matrix(OpContext& ctx, Parts<GatheredRows<T, float>> parts) {
  queued_parts(ctx, [&](Stream stream, void* table) { gather_cast<T>(stream, parts, table); });
}

template <class T>
void gather_vector(OpContext& ctx, Parts<GatheredRows<float, float>> parts) {
  queued_parts(ctx, [&](Stream stream, void* table) { gather_cast<float>(stream, parts, table); });
}

template <class T>
void scatter_add(OpContext& ctx, Parts<ScatteredRows<float>> parts) {
  queued_parts(ctx, [&](Stream stream, void* table) { cuda::scatter_add(stream, parts, table); });
}

template <class T>
void embedding_forward(OpContext& ctx, T* x, const int32_t* tokens, const float* wte, const float* wpe, int64_t batch,
                       int64_t sequence, int64_t width) {
  queued(ctx, 0,
         [&](Stream stream) { cuda::embedding_forward<T>(stream, x, tokens, wte, wpe, batch, sequence, width); });
}

template <class T>
void embedding_backward(OpContext& ctx, float* dwte, float* dwpe, const T* dx, const int32_t* tokens, int64_t batch,
                        int64_t sequence, int64_t width) {
  const int32_t* order = tokens + batch * sequence;
  queued(ctx, 0,
         [&](Stream stream) { cuda::embedding_backward<T>(stream, dwte, dwpe, dx, order, batch, sequence, width); });
}

template <class T>
void norm_forward(OpContext& ctx, T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias,
                  int64_t n, int64_t width, float epsilon) {
  queued(ctx, 0,
         [&](Stream stream) { cuda::norm_forward<T>(stream, y, mean, rstd, x, weight, bias, n, width, epsilon); });
}

// Products read the gradient of the residual stream itself.
template <class T>
void norm_backward(OpContext& ctx, T* dx, T*, float* dweight, float* dbias, float* dshift, float shift_scale,
                   const T* dy, const T* x, const float* mean, const float* rstd, const float* weight, int64_t n,
                   int64_t width) {
  queued(ctx, 0, [&](Stream stream) {
    cuda::norm_backward<T>(stream, dx, dweight, dbias, dshift, shift_scale, dy, x, mean, rstd, weight, n, width,
                           ctx.shared_scratch);
  });
}

template <class T>
void linear_expand(OpContext& ctx, T* y, int64_t y_stride, const T* x, const T* w, const float* bias, const int32_t*,
                   int64_t n, int64_t row_count, int64_t cols, float alpha) {
  queued(ctx, n * row_count * cols,
         [&](Stream stream) { multiply_expand<T>(ctx, stream, y, y_stride, x, w, bias, n, row_count, cols, alpha); });
}

template <class T>
void linear_contract(OpContext& ctx, T* y, const T* x, int64_t x_stride, const T* w, const float* bias,
                     const T* residual, const int32_t*, int64_t n, int64_t row_count, int64_t cols, float alpha,
                     float bias_scale) {
  queued(ctx, n * row_count * cols, [&](Stream stream) {
    multiply<T>(
        ctx,
        [&](auto& by) {
          return by.linear_contract(y, x, x_stride, w, bias, residual, n, row_count, cols, alpha, bias_scale);
        },
        [&] {
          cuda::linear_contract<T>(stream, y, x, x_stride, w, bias, residual, n, row_count, cols, alpha, bias_scale);
        });
  });
}

template <class T>
void linear_weight_gradient(OpContext& ctx, float* dw, float* db, const T* p, int64_t p_stride, const T* q,
                            const int32_t*, int64_t n, int64_t row_count, int64_t cols, float alpha, bool assigns) {
  queued(ctx, n * row_count * cols, [&](Stream stream) {
    const float beta = assigns ? 0 : 1;
    multiply<T>(
        ctx,
        [&](auto& by) {
          return by.linear_weight_gradient(dw, db, p, p_stride, q, n, row_count, cols, alpha, beta, ctx.shared_scratch);
        },
        [&] {
          cuda::linear_weight_gradient<T>(stream, dw, p, p_stride, q, n, row_count, cols, alpha, beta,
                                          ctx.shared_scratch);
          if (!db) return;
          cuda::linear_bias_gradient<T>(stream, db, p, p_stride, n, row_count, 1, beta, ctx.shared_scratch);
        });
  });
}

template <class T>
void rotary(OpContext& ctx, T* x, const float* angles, int64_t n, int64_t sequence, int64_t stride, int64_t heads,
            int64_t head_size, bool inverse) {
  queued(ctx, 0,
         [&](Stream stream) { cuda::rotary<T>(stream, x, angles, n, sequence, stride, heads, head_size, inverse); });
}

template <class T>
void attention_forward(OpContext& ctx, T* out, float* lse, const T* qkv, int64_t batch, int64_t sequence, int64_t heads,
                       int64_t kv_heads, int64_t head_size) {
  queued(ctx, 2 * pairs(batch, sequence, heads) * head_size, [&](Stream stream) {
    cuda::attention_forward<T>(stream, out, lse, qkv, batch, sequence, heads, kv_heads, head_size);
  });
}

template <class T>
void attention_backward(OpContext& ctx, T* dqkv, const T* dout, const T* qkv, const T* out, const float* lse,
                        int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  queued(ctx, 4 * pairs(batch, sequence, heads) * head_size, [&](Stream stream) {
    cuda::attention_backward<T>(stream, dqkv, dout, qkv, out, lse, batch, sequence, heads, kv_heads, head_size,
                                ctx.shared_scratch);
  });
}

template <class T>
void cache_append(OpContext& ctx, const KeyValueCache<T>& cache, const T* qkv, int64_t batch, int64_t sequence,
                  int64_t heads, int64_t kv_heads, int64_t head_size) {
  queued(ctx, 0, [&](Stream stream) {
    cuda::cache_append<T>(stream, cache, qkv, batch, sequence, heads, kv_heads, head_size);
  });
}

template <class T>
void attention_cached(OpContext& ctx, T* out, const T* qkv, const KeyValueCache<T>& cache, int64_t batch,
                      int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t seen = sequence * (cache.length - sequence) + sequence * (sequence + 1) / 2;
  queued(ctx, 2 * batch * heads * seen * head_size, [&](Stream stream) {
    cuda::attention_cached<T>(stream, out, qkv, cache, batch, sequence, heads, kv_heads, head_size);
  });
}

template <class T>
void mlp_forward(OpContext& ctx, T* act, T* pre, const T* x, const T* w, const float* bias, const int32_t*, int64_t n,
                 int64_t row_count, int64_t cols) {
  queued(ctx, n * row_count * cols, [&](Stream stream) {
    multiply<T>(
        ctx, [&](auto& by) { return by.mlp_forward(act, pre, x, w, bias, n, row_count, cols); },
        [&] { cuda::mlp_forward<T>(stream, act, pre, x, w, bias, n, row_count, cols); });
  });
}

template <class T>
void mlp_backward(OpContext& ctx, T* dpre, const T* dy, const T* pre, const T* w, const int32_t*, int64_t n,
                  int64_t row_count, int64_t cols, float alpha) {
  queued(ctx, n * row_count * cols, [&](Stream stream) {
    multiply<T>(
        ctx, [&](auto& by) { return by.mlp_backward(dpre, dy, pre, w, n, row_count, cols, alpha); },
        [&] { cuda::mlp_backward<T>(stream, dpre, dy, pre, w, n, row_count, cols, alpha); });
  });
}

template <class T>
void swiglu_forward(OpContext& ctx, T* act, T* gate, T* up, const T* x, const T* gate_w, const float* gate_bias,
                    const T* up_w, const float* up_bias, const int32_t*, int64_t n, int64_t row_count, int64_t cols) {
  queued(ctx, 2 * n * row_count * cols, [&](Stream stream) {
    multiply_expand<T>(ctx, stream, gate, row_count, x, gate_w, gate_bias, n, row_count, cols, 1);
    multiply_expand<T>(ctx, stream, up, row_count, x, up_w, up_bias, n, row_count, cols, 1);
    cuda::swiglu_forward<T>(stream, act, gate, up, n, row_count, row_count);
  });
}

template <class T>
void swiglu_backward(OpContext& ctx, T* dgate, T* dup, const T* dy, const T* gate, const T* up, const T* w,
                     const int32_t*, int64_t n, int64_t row_count, int64_t cols, float alpha) {
  queued(ctx, n * row_count * cols, [&](Stream stream) {
    multiply_expand<T>(ctx, stream, dup, row_count, dy, w, nullptr, n, row_count, cols, alpha);
    cuda::swiglu_backward<T>(stream, dgate, dup, dup, gate, up, n, row_count, row_count);
  });
}

template <class T>
void cross_entropy(OpContext& ctx, float* losses, T* logits, const int32_t* targets, int64_t n, int64_t vocab,
                   int64_t stride, float gradient_scale) {
  queued(ctx, 0, [&](Stream stream) {
    cuda::cross_entropy<T>(stream, losses, logits, targets, n, vocab, stride, gradient_scale);
  });
}

template <class T>
void head_loss(OpContext& ctx, float* losses, float* scales, T* gradient, const T* x, const T* w,
               const int32_t* targets, int64_t n, int64_t vocab, int64_t rows, int64_t stride, int64_t cols,
               float gradient_scale) {
  queued(ctx, n * rows * cols, [&](Stream stream) {
    cuda::head_loss(stream, losses, scales, gradient, x, w, targets, n, vocab, rows, stride, cols, gradient_scale,
                    ctx.shared_scratch);
  });
}

template <class T>
void scale_rows(OpContext& ctx, T* y, const T* x, const float* scales, int64_t n, int64_t cols) {
  queued(ctx, 0, [&](Stream stream) { cuda::scale_rows(stream, y, x, scales, n, cols); });
}

template <class T>
void adamw(OpContext& ctx, Parts<AdamWRows<float>> parts, const AdamWStep& step) {
  queued_parts(ctx, [&](Stream stream, void* table) { cuda::adamw(stream, parts, step, table); });
}

template <class T>
void sum_of_squares(OpContext& ctx, double* sums, Parts<SquaredRows<float>> parts) {
  queued_parts(
      ctx, [&](Stream stream, void* table) { cuda::sum_of_squares(stream, sums, parts, table, ctx.shared_scratch); });
}

}  // namespace op

bool fuses_loss(const OpContext& ctx, int64_t cols) {
  bool fuses = false;
  attempt(*static_cast<Queue*>(ctx.queue), [&] { fuses = fuses_head_loss(cols); });
  return fuses;
}

// Ops run one after another, so the scratch is as large as its hungriest user. How many rows of a matrix take part is
// not known before, and fewer may need more.
template <class T>
ScratchSize scratch_size(const ScratchShape& shape) {
  const int64_t n = shape.rows;
  const int64_t heads = (shape.wide + shape.head_size - 1) / shape.head_size;
  size_t bytes = norm_backward_scratch_bytes(n, shape.width);
  const auto want = [&](size_t wanted) { bytes = std::max(bytes, wanted); };
  want(attention_backward_scratch_bytes((n + shape.sequence_length - 1) / shape.sequence_length, shape.sequence_length,
                                        heads, shape.head_size));
  want(linear_bias_gradient_scratch_bytes(n, std::max(shape.wide, shape.width)));
  want(linear_weight_gradient_scratch_bytes(n, shape.vocabulary, shape.width));
  for (int64_t rows = 1; rows <= shape.wide; ++rows) {
    want(linear_weight_gradient_scratch_bytes(n, rows, shape.width));
  }
  want(sum_of_squares_scratch_bytes(shape.blocks, shape.parameters));
  if constexpr (std::is_same_v<T, bfloat16>) {
    const Ops<T>& ops = table<T>();
    want(head_loss_scratch_bytes(ops.logit_rows(n, shape.vocabulary), ops.padded(shape.vocabulary)));
  }
  return {bytes, 0};
}

}  // namespace

template <class T>
const Ops<T>& table() {
  static const Ops<T> table = [] {
    Ops<T> ops{};
    ops.name = "cuda";
    ops.compact = true;
    // What cuBLASLt's heuristics take for granted, and whole 128-byte lines for every row of a tile.
    ops.alignment = 256;
    // 128 bytes. Float products read the masters, behind whose rows there are others.
    ops.row_multiple = std::is_same_v<T, bfloat16> ? 64 : 1;
    ops.logit_multiple = 16 / static_cast<int64_t>(sizeof(T));
    // 10,000 rows of GPT-2: the float32 gradient of its embedding is read and written once for that many.
    ops.logit_bytes = int64_t{1} << 30;
    ops.scratch_size = scratch_size<T>;
    ops.token_order_words = token_order_words;
    ops.order_tokens = order_tokens;
#define BURGEON_SET_QUEUED_OP(name, Signature) ops.name = op::name<T>;
    BURGEON_COMPACT_OPS(BURGEON_SET_QUEUED_OP)
    BURGEON_COMMON_OPS(BURGEON_SET_QUEUED_OP)
    if constexpr (std::is_same_v<T, bfloat16>) {
      ops.fuses_loss = fuses_loss;
      BURGEON_FUSED_OPS(BURGEON_SET_QUEUED_OP)
    }
#undef BURGEON_SET_QUEUED_OP
    return ops;
  }();
  return table;
}

template const Ops<float>& table<float>();
template const Ops<bfloat16>& table<bfloat16>();

}  // namespace burgeon::cuda
