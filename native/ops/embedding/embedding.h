// Token embeddings, and learned position embeddings where the model has any. W is the type of the residual stream.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// x[b, t, :] = wte[tokens[b, t], :] + wpe[t, :]                             assigns x (B, T, C)
// tokens (B, T), each in [0, V); wte (V, C); wpe (>= T, C) or null: no summand.
template <class T, class W = T>
using EmbeddingForward = void(OpContext& ctx, W* x, const int32_t* tokens, const Master<T>* wte, const Master<T>* wpe,
                              int64_t batch, int64_t sequence, int64_t width);

// dwte[tokens[b, t], :] += dx[b, t, :];  dwpe[t, :] += sum_b dx[b, t, :]    adds to both
// tokens: followed by what Ops::order_tokens made of them, where the backend has it. dwpe null: only dwte. Rows are
// added in the order of the tokens, whatever the number of threads.
template <class T, class W = T>
using EmbeddingBackward = void(OpContext& ctx, Master<T>* dwte, Master<T>* dwpe, const W* dx, const int32_t* tokens,
                               int64_t batch, int64_t sequence, int64_t width);

}  // namespace burgeon
