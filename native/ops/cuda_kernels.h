// Every launcher of the CUDA backend. Semantics are those of the contracts in ops/<op>/<op>.h, with these differences:
//   - All pointers are to device memory. Operands are compact: there are no row lists, except where masters are touched
//     (gather_cast, scatter_add, sum_of_squares, adamw); an absent list is null and stands for rows 0..row_count-1.
//   - T, float or bfloat16, is the type of activations and of the operands of products. Parameters, gradients, moments
//     and statistics (mean, rstd, lse, losses) are always float. Sums are in float, in an order that depends on the
//     shape alone; no float is added atomically, so equal operands give equal bits.
//   - Where there are parts, they are described on the host, their operands are on the device, and `table` is device
//     memory of kTableBytes that all launches of a stream may share.
//   - A launcher only queues work. What it needs as scratch it says, with a function that computes how much; scratch
//     may be shared by all launches of a stream, is 16-byte aligned, and its contents are nobody's.
//   - Matrices with rows of a multiple of 16 bytes, at addresses that are too, take the fast paths; all others are
//     correct. Where a function takes a stride, it is the distance of rows, in elements, at least the width.
// They throw Error(kCuda) where CUDA refuses a launch. No CUDA header is needed to call them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bfloat16.h"
#include "kernels/cuda/stream.h"
#include "ops/adamw/adamw.h"
#include "ops/attention/attention.h"
#include "ops/gather/gather.h"
#include "ops/global_norm/global_norm.h"

namespace burgeon::cuda {

// ---- ops/gather: between masters and compact copies

template <class T>
void gather_cast(Stream stream, Parts<GatheredRows<T, float>> parts, void* table);

void scatter_add(Stream stream, Parts<ScatteredRows<float>> parts, void* table);

// ---- ops/embedding

template <class T>
void embedding_forward(Stream stream, T* x, const int32_t* tokens, const float* wte, const float* wpe, int64_t batch,
                       int64_t sequence, int64_t width);

// Which positions hold which token, so that a row of dwte has one owner. Made on the host from the tokens (n, each in
// [0, vocab)): token_order_words(n) integers, for the device to read; `counts` is room for vocab + 1 more.
int64_t token_order_words(int64_t n);
void order_tokens(int32_t* order, const int32_t* tokens, int64_t n, int32_t* counts, int64_t vocab);

template <class T>
void embedding_backward(Stream stream, float* dwte, float* dwpe, const T* dx, const int32_t* order, int64_t batch,
                        int64_t sequence, int64_t width);

// ---- ops/norm: mean null is RMSNorm

template <class T>
void norm_forward(Stream stream, T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias,
                  int64_t n, int64_t width, float epsilon);

size_t norm_backward_scratch_bytes(int64_t n, int64_t width);
template <class T>
void norm_backward(Stream stream, T* dx, float* dweight, float* dbias, float* dshift, float shift_scale, const T* dy,
                   const T* x, const float* mean, const float* rstd, const float* weight, int64_t n, int64_t width,
                   void* scratch);

// ---- ops/rotary: table as there, in float

template <class T>
void rotary(Stream stream, T* x, const float* table, int64_t n, int64_t sequence, int64_t stride, int64_t heads,
            int64_t head_size, bool inverse);

// ---- ops/attention: lse (B, A, T) in float

template <class T>
void attention_forward(Stream stream, T* out, float* lse, const T* qkv, int64_t batch, int64_t sequence, int64_t heads,
                       int64_t kv_heads, int64_t head_size);

size_t attention_backward_scratch_bytes(int64_t batch, int64_t sequence, int64_t heads, int64_t head_size);
template <class T>
void attention_backward(Stream stream, T* dqkv, const T* dout, const T* qkv, const T* out, const float* lse,
                        int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size,
                        void* scratch);

// Over a cache; heads of at most 256 dimensions.
template <class T>
void cache_append(Stream stream, const KeyValueCache<T>& cache, const T* qkv, int64_t batch, int64_t sequence,
                  int64_t heads, int64_t kv_heads, int64_t head_size);
template <class T>
void attention_cached(Stream stream, T* out, const T* qkv, const KeyValueCache<T>& cache, int64_t batch,
                      int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size);

// ---- ops/linear. Where rows of x, p or y are wider than what takes part in the product, a stride says so.

template <class T>
void linear_expand(Stream stream, T* y, int64_t y_stride, const T* x, const T* w, const float* bias, int64_t n,
                   int64_t row_count, int64_t cols, float alpha);

template <class T>
void linear_contract(Stream stream, T* y, const T* x, int64_t x_stride, const T* w, const float* bias,
                     const T* residual, int64_t n, int64_t row_count, int64_t cols, float alpha, float bias_scale);

// dw = beta * dw + alpha * p^T q; where beta is 0 dw is assigned and not read
size_t linear_weight_gradient_scratch_bytes(int64_t n, int64_t row_count, int64_t cols);
template <class T>
void linear_weight_gradient(Stream stream, float* dw, const T* p, int64_t p_stride, const T* q, int64_t n,
                            int64_t row_count, int64_t cols, float alpha, float beta, void* scratch);

// db = beta * db + alpha * (column sums of p), likewise
size_t linear_bias_gradient_scratch_bytes(int64_t n, int64_t row_count);
template <class T>
void linear_bias_gradient(Stream stream, float* db, const T* p, int64_t p_stride, int64_t n, int64_t row_count,
                          float alpha, float beta, void* scratch);

// db = beta * db + sums, for sums that somebody else has made
void add_bias_gradient(Stream stream, float* db, const float* sums, int64_t row_count, float beta);

// to = scale * from, for products that want their bias in bfloat16
void narrow_scaled(Stream stream, bfloat16* to, const float* from, int64_t count, float scale);

// ---- ops/mlp: GELU in the epilogue of the product, and activations apart from products

template <class T>
void mlp_forward(Stream stream, T* act, T* pre, const T* x, const T* w, const float* bias, int64_t n, int64_t row_count,
                 int64_t cols);
template <class T>
void mlp_backward(Stream stream, T* dpre, const T* dy, const T* pre, const T* w, int64_t n, int64_t row_count,
                  int64_t cols, float alpha);

template <class T>
void gelu_forward(Stream stream, T* act, const T* pre, int64_t count);
// d *= gelu'(pre)                                                           in place
template <class T>
void gelu_backward(Stream stream, T* d, const T* pre, int64_t count);

// act (n, width) = silu(gate) * up; gate and up have rows of `stride`, so that they may be halves of one matrix
template <class T>
void swiglu_forward(Stream stream, T* act, const T* gate, const T* up, int64_t n, int64_t width, int64_t stride);
// Given d (n, width), the gradient of act: assigns dgate and dup, with rows of `stride` as gate and up. dgate may be
// gate and dup may be up.
template <class T>
void swiglu_backward(Stream stream, T* dgate, T* dup, const T* d, const T* gate, const T* up, int64_t n, int64_t width,
                     int64_t stride);

// ---- ops/cross_entropy: logits (n, vocab) with rows of `stride`; what lies between is neither read nor written

template <class T>
void cross_entropy(Stream stream, float* losses, T* logits, const int32_t* targets, int64_t n, int64_t vocab,
                   int64_t stride, float gradient_scale);

// Losses and gradient in the epilogue of the product that makes the logits (ops/cross_entropy/head_loss.h): on devices
// of which fuses_head_loss() is true, with rows, stride and cols multiples of 8. The logits are not rounded, the
// exponentials relative to the target's are; losses above 74 nats come out as about that many.
bool fuses_head_loss(int64_t cols);
size_t head_loss_scratch_bytes(int64_t n, int64_t rows);
void head_loss(Stream stream, float* losses, float* scales, bfloat16* gradient, const bfloat16* x, const bfloat16* w,
               const int32_t* targets, int64_t n, int64_t vocab, int64_t rows, int64_t stride, int64_t cols,
               float gradient_scale, void* scratch);
void scale_rows(Stream stream, bfloat16* y, const bfloat16* x, const float* scales, int64_t n, int64_t cols);

// ---- ops/global_norm and ops/adamw

// Of so many parts with so many elements in all.
size_t sum_of_squares_scratch_bytes(int64_t parts, int64_t elements);
void sum_of_squares(Stream stream, double* sums, Parts<SquaredRows<float>> parts, void* table, void* scratch);

void adamw(Stream stream, Parts<AdamWRows<float>> parts, const AdamWStep& step, void* table);

}  // namespace burgeon::cuda
