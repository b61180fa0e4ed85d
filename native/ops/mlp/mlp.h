// The up-projection of an MLP with its activation: GELU in GPT-2's tanh form (transformers "gelu_new"),
// gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), or SwiGLU (Shazeer, 2020), silu(gate) * up with
// silu(x) = x / (1 + exp(-x)). Types, row lists, aliasing and multiply_adds as in ops/linear/linear.h.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// pre[i, j] = sum_c x[i, c] * w[rows[j], c] + bias[rows[j]];  act = gelu(pre)
// assigns act and pre (n, row_count). x (n, cols); w (R, cols); bias (R) or null.
template <class T, class W = T>
using MlpForward = void(OpContext& ctx, T* act, T* pre, const T* x, const W* w, const Master<T>* bias,
                        const int32_t* rows, int64_t n, int64_t row_count, int64_t cols);

// Given dy, the gradient of the down-projection's output, whose weight is w:
// dpre[i, j] = gelu'(pre[i, j]) * alpha * sum_c dy[i, c] * w[rows[j], c]     assigns dpre (n, row_count)
template <class T, class W = T>
using MlpBackward = void(OpContext& ctx, T* dpre, const T* dy, const T* pre, const W* w, const int32_t* rows, int64_t n,
                         int64_t row_count, int64_t cols, Master<T> alpha);

// gate and up: products of x with gate_w and up_w as in MlpForward;  act = silu(gate) * up
// assigns act, gate and up (n, row_count). gate_w and up_w (R, cols); gate_bias and up_bias (R) or null.
template <class T, class W = T>
using SwigluForward = void(OpContext& ctx, T* act, T* gate, T* up, const T* x, const W* gate_w,
                           const Master<T>* gate_bias, const W* up_w, const Master<T>* up_bias, const int32_t* rows,
                           int64_t n, int64_t row_count, int64_t cols);

// With d[i, j] = alpha * sum_c dy[i, c] * w[rows[j], c] as in MlpBackward:
// dgate = d * up * silu'(gate);  dup = d * silu(gate)                        assigns dgate and dup (n, row_count)
template <class T, class W = T>
using SwigluBackward = void(OpContext& ctx, T* dgate, T* dup, const T* dy, const T* gate, const T* up, const W* w,
                            const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha);

}  // namespace burgeon
