// Softmax cross-entropy of a block of logits, and its gradient in the same pass.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// losses[i] = log(sum_v exp(logits[i, v])) - logits[i, targets[i]], in nats; 0 where targets[i] is -1.  assigns losses
// With gradient_scale != 0 also replaces logits (n, vocab) by gradient_scale * (softmax - one_hot), 0 where ignored;
// with gradient_scale == 0 leaves them as they are. `stride` is the distance of rows in elements, at least vocab.
template <class T, class = T>
using CrossEntropy = void(OpContext& ctx, Master<T>* losses, T* logits, const int32_t* targets, int64_t n,
                          int64_t vocab, int64_t stride, Master<T> gradient_scale);

}  // namespace burgeon
