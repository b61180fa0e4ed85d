// LayerNorm over the last dimension: y = (x - mean) * rstd * weight + bias, rstd = 1 / sqrt(variance + epsilon).
// Where mean is null it is RMSNorm (Zhang and Sennrich, 2019): nothing is subtracted, so rstd = 1 / sqrt(avg(x^2) +
// epsilon), and there is no bias, nor its gradient; bias and dbias are then not looked at.
// T is the type of activations, W that of the residual stream.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// Assigns y (n, width) and, per row, mean and rstd (n), which backward needs. y does not alias x.
template <class T, class W = T>
using NormForward = void(OpContext& ctx, T* y, Master<T>* mean, Master<T>* rstd, const W* x, const Master<T>* weight,
                         const Master<T>* bias, int64_t n, int64_t width, Master<T> epsilon);

// dx = gradient with respect to x; adds to dx (n, width), which already holds the gradient of the residual path, and
// unless `branch` is null assigns it to branch (n, width), the gradient that products of the layer before read.
// dweight (width) and dbias (width): adds. dy is the gradient of y; x, mean and rstd as in forward.
// dshift (width) or null: adds shift_scale * (the column sums of dx, as it is now), the gradient of what
// linear_contract added to every row of x as bias_scale * bias; not of a bias of y. Source: with h = (x - mean) * rstd
// and g = dy * weight, dx = rstd * (g - avg(g) - h * avg(g * h)); RMSNorm has no avg(g).
template <class T, class W = T>
using NormBackward = void(OpContext& ctx, W* dx, T* branch, Master<T>* dweight, Master<T>* dbias, Master<T>* dshift,
                          Master<T> shift_scale, const W* dy, const W* x, const Master<T>* mean, const Master<T>* rstd,
                          const Master<T>* weight, int64_t n, int64_t width);

}  // namespace burgeon
