// Between the masters of a model and compact copies of their active rows, for backends whose products take dense
// operands (Ops::compact).
#pragma once

#include "core/master.h"
#include "core/op_context.h"
#include "core/parts.h"

namespace burgeon {

// to[j, :] = from[rows[j], :]                                               assigns to (row_count, cols)
// from (R, cols); To is the type of operands of products, or of masters. rows null: rows 0..row_count-1.
template <class To, class From>
struct GatheredRows {
  To* to;
  const From* from;
  const int32_t* rows;
  int64_t row_count;
  int64_t cols;
};
// Of a matrix, as products read it, and of a vector.
template <class T, class W = T>
using GatherMatrix = void(OpContext& ctx, Parts<GatheredRows<W, Master<T>>> parts);
template <class T, class = T>
using GatherVector = void(OpContext& ctx, Parts<GatheredRows<Master<T>, Master<T>>> parts);

// to[rows[j], :] += from[j, :]; rows differ from each other                 adds to to (R, cols)
template <class M>
struct ScatteredRows {
  M* to;
  const M* from;
  const int32_t* rows;
  int64_t row_count;
  int64_t cols;
};
template <class T, class = T>
using ScatterAdd = void(OpContext& ctx, Parts<ScatteredRows<Master<T>>> parts);

}  // namespace burgeon
