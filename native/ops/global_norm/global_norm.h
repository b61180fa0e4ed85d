// Sums of squares of some rows of matrices, for the global gradient norm.
#pragma once

#include "core/master.h"
#include "core/op_context.h"
#include "core/parts.h"

namespace burgeon {

// Rows of x (R, cols); rows null: rows 0..row_count-1.
template <class M>
struct SquaredRows {
  const M* x;
  const int32_t* rows;
  int64_t row_count;
  int64_t cols;
};

// sums[i] = sum over the active rows of part i of x[rows[j], c]^2, summed in double in an order that depends on the
// shape alone.
template <class T, class = T>
using SumOfSquares = void(OpContext& ctx, double* sums, Parts<SquaredRows<Master<T>>> parts);

}  // namespace burgeon
