// Rotary position embedding (Su et al., 2021) in Hugging Face's half-split convention: dimension d of a head is paired
// with d + HS / 2, and every pair is turned by an angle that grows with the position.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// For every row i of x (n, stride), with position t = i % sequence, and each of its first `heads` heads of HS values:
//   x[d] = x[d] cos[t, d] - x[d + HS/2] sin[t, d];  x[d + HS/2] = x[d + HS/2] cos[t, d] + x[d] sin[t, d]    in place
// table (>= sequence, 2, HS / 2): cosines, then sines. `inverse` turns back, which is the gradient.
template <class T, class = T>
using Rotary = void(OpContext& ctx, T* x, const Master<T>* table, int64_t n, int64_t sequence, int64_t stride,
                    int64_t heads, int64_t head_size, bool inverse);

}  // namespace burgeon
