// Sum of squares of some rows of a matrix, for the global gradient norm.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// *sum = sum of x[rows[j], c]^2 over the active rows of x (R, cols), summed in double in an order that depends on the
// shape alone. rows null: rows 0..row_count-1.
template <class T>
using SumOfSquares = void(OpContext& ctx, double* sum, const Master<T>* x, const int32_t* rows, int64_t row_count,
                          int64_t cols);

}  // namespace burgeon
