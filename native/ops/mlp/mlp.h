// The activation between the two linear layers of an MLP: GELU in GPT-2's tanh form (transformers "gelu_new"),
// gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Operates on the packed active neurons, so it needs no list.
#pragma once

#include "core/op_context.h"

namespace burgeon {

// act[i] = gelu(pre[i])                                                     assigns act (count)
template <class T>
using GeluForward = void(OpContext& ctx, T* act, const T* pre, int64_t count);

// dpre[i] = dact[i] * gelu'(pre[i])                                         assigns dpre, which may be dact
template <class T>
using GeluBackward = void(OpContext& ctx, T* dpre, const T* dact, const T* pre, int64_t count);

}  // namespace burgeon
