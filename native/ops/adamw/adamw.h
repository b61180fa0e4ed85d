// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), on some rows of a matrix.
#pragma once

#include "core/master.h"
#include "core/op_context.h"
#include "core/parts.h"

namespace burgeon {

struct AdamWStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  double gradient_scale;    // clip factor, applied to the gradient first
  double bias_correction1;  // 1 - beta1^step
  double bias_correction2;  // 1 - beta2^step
  // Chen et al. (arXiv 2510.12402): what the rest of the update moves away from zero does not decay.
  bool cautious_decay;
};

// Rows of one matrix with their gradient and moments.
template <class M>
struct AdamWRows {
  M* w;  // (R, cols), as g, m and v
  M* g;
  M* m;
  M* v;
  const int32_t* rows;  // the active ones; null: rows 0..row_count-1
  int64_t row_count;
  int64_t cols;
  bool decays;            // false: as if weight_decay were 0, for what has fewer than two dimensions
  bool compact_gradient;  // only for compact backends: g is (row_count, cols), its row j that of rows[j]
};

// For every element of the active rows: with g' = gradient_scale * g
//   m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) g'^2
//   w = w (1 - learning_rate weight_decay) - learning_rate (m / bias_correction1) / (sqrt(v / bias_correction2) +
//   epsilon)
// where with cautious_decay weight_decay counts as 0 if m w < 0, of the w before; and g is set to 0, so that the next
// step starts from a clear gradient without a pass of its own; a compact gradient stays. Other rows are neither read
// nor written.
template <class T, class = T>
using AdamW = void(OpContext& ctx, Parts<AdamWRows<Master<T>>> parts, const AdamWStep& step);

}  // namespace burgeon
