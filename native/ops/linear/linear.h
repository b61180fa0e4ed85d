// Products with a weight matrix of which only some rows take part.
//
// T is the type of activations, W that of weights as products read them and of the residual stream, Master<T> that of
// biases and gradients.
// Every sampled dimension leads its matrix, so a weight is w[R][cols] and a list `rows` (ascending, row_count entries)
// names the active rows; a null list means rows 0..row_count-1. Activations are packed: column j of a packed operand
// belongs to row rows[j]; where a stride is given, it is the distance of its rows in elements, at least row_count.
// Inactive rows are neither read nor written. Two products and one outer product are all a
// transformer block needs: `expand` makes one value per active row, `contract` sums over them, and each is the input
// gradient of the other.
//
// Outputs do not alias inputs, except that contract's y may be its residual. Sums over the shared dimension run in an
// order that does not depend on the number of threads. multiply_adds += n * row_count * cols each.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// y[i, j] = alpha * sum_c x[i, c] * w[rows[j], c] + bias[rows[j]]          assigns y (n, row_count)
// x (n, cols); w (R, cols); bias (R) or null.
template <class T, class W = T>
using LinearExpand = void(OpContext& ctx, T* y, int64_t y_stride, const T* x, const W* w, const Master<T>* bias,
                          const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha);

// y[i, c] = alpha * sum_j x[i, j] * w[rows[j], c] + bias_scale * bias[c] + residual[i, c]   assigns y (n, cols)
// x (n, row_count); w (R, cols); bias (cols) or null; residual (n, cols) or null.
template <class T, class W = T>
using LinearContract = void(OpContext& ctx, W* y, const T* x, int64_t x_stride, const W* w, const Master<T>* bias,
                            const W* residual, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols,
                            Master<T> alpha, Master<T> bias_scale);

// dw[rows[j], c] += alpha * sum_i p[i, j] * q[i, c];  db[rows[j]] += sum_i p[i, j]
// adds to dw (R, cols) and, unless it is null, to db (R), or with `assigns` assigns the active rows of both.
// p (n, row_count); q (n, cols).
template <class T, class = T>
using LinearWeightGradient = void(OpContext& ctx, Master<T>* dw, Master<T>* db, const T* p, int64_t p_stride,
                                  const T* q, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols,
                                  Master<T> alpha, bool assigns);

}  // namespace burgeon
