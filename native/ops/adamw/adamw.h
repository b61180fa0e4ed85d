// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), on some rows of a matrix.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

struct AdamWStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;      // 0 for tensors of fewer than two dimensions
  double gradient_scale;    // clip factor, applied to the gradient first
  double bias_correction1;  // 1 - beta1^step
  double bias_correction2;  // 1 - beta2^step
};

// For every element of the active rows of w, m, v and g, all (R, cols): with g' = gradient_scale * g
//   m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) g'^2
//   w = w (1 - learning_rate weight_decay) - learning_rate (m / bias_correction1) / (sqrt(v / bias_correction2) +
//   epsilon)
// and g is set to 0, so that the next step starts from a clear gradient without a pass of its own.
// rows null: rows 0..row_count-1. Other rows are neither read nor written.
template <class T>
using AdamW = void(OpContext& ctx, Master<T>* w, Master<T>* g, Master<T>* m, Master<T>* v, const int32_t* rows,
                   int64_t row_count, int64_t cols, const AdamWStep& step);

}  // namespace burgeon
