// LayerNorm over the last dimension: y = (x - mean) * rstd * weight + bias, rstd = 1 / sqrt(variance + epsilon).
// Where mean is null it is RMSNorm (Zhang and Sennrich, 2019): nothing is subtracted, so rstd = 1 / sqrt(avg(x^2) +
// epsilon), and there is no bias, nor its gradient; bias and dbias are then not looked at.
#pragma once

#include "core/master.h"
#include "core/op_context.h"

namespace burgeon {

// Assigns y (n, width) and, per row, mean and rstd (n), which backward needs. y does not alias x.
template <class T>
using NormForward = void(OpContext& ctx, T* y, Master<T>* mean, Master<T>* rstd, const T* x, const Master<T>* weight,
                         const Master<T>* bias, int64_t n, int64_t width, Master<T> epsilon);

// dx = gradient with respect to x; adds to dx (n, width), which already holds the gradient of the residual path.
// dweight (width) and dbias (width): adds. dy is the gradient of y; x, mean and rstd as in forward.
// Source: with h = (x - mean) * rstd and g = dy * weight, dx = rstd * (g - avg(g) - h * avg(g * h));
// RMSNorm has no avg(g).
template <class T>
using NormBackward = void(OpContext& ctx, T* dx, Master<T>* dweight, Master<T>* dbias, const T* dy, const T* x,
                          const Master<T>* mean, const Master<T>* rstd, const Master<T>* weight, int64_t n,
                          int64_t width);

}  // namespace burgeon
