// Softmax cross-entropy of logits that are never stored: the epilogue of the product that makes them takes their
// exponentials, relative to the logit of the target, and sums these. What is stored is the gradient of a row but for a
// factor of the row, and no pass over it is left: the products that read the gradient are linear in it, so the factor
// goes to their other operand or to their result.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// losses as CrossEntropy of the logits x w^T. With gradient_scale != 0 also assigns scales (n) and `gradient` (n,
// rows), so that scales[i] * gradient[i, v] = gradient_scale * (softmax - one_hot), 0 where ignored; columns from
// `vocab` on are 0.  With gradient_scale == 0 neither is touched.
// x (n, cols); w (rows, cols), of which the first `vocab` are words; `stride` is the distance of rows of the gradient.
// A backend may say that losses above so many nats come out as that many; then no gradient overflows.
// multiply_adds += n * rows * cols.
template <class T, class W = T>
using HeadLoss = void(OpContext& ctx, Master<T>* losses, Master<T>* scales, T* gradient, const T* x, const W* w,
                      const int32_t* targets, int64_t n, int64_t vocab, int64_t rows, int64_t stride, int64_t cols,
                      Master<T> gradient_scale);

// y[i, c] = scales[i] * x[i, c]                                             assigns y (n, cols), which may be x
template <class T, class = T>
using ScaleRows = void(OpContext& ctx, T* y, const T* x, const Master<T>* scales, int64_t n, int64_t cols);

}  // namespace burgeon
