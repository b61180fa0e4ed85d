#include <cmath>

#include "ops/linear/linear.h"
#include "ops/mlp/mlp.h"

namespace burgeon::ref {

template <class T>
LinearExpand<T> linear_expand;

namespace {
constexpr double kRootTwoOverPi = 0.79788456080286535588;
constexpr double kCubic = 0.044715;
}  // namespace

template <class T>
void mlp_forward(OpContext& ctx, T* act, T* pre, const T* x, const T* w, const T* bias, const int32_t* rows, int64_t n,
                 int64_t row_count, int64_t cols) {
  linear_expand<T>(ctx, pre, x, w, bias, rows, n, row_count, cols, 1);
  for (int64_t i = 0; i < n * row_count; ++i) {
    const double v = pre[i];
    act[i] = static_cast<T>(0.5 * v * (1.0 + std::tanh(kRootTwoOverPi * (v + kCubic * v * v * v))));
  }
}

template <class T>
void mlp_backward(OpContext& ctx, T* dpre, const T* dy, const T* pre, const T* w, const int32_t* rows, int64_t n,
                  int64_t row_count, int64_t cols, T alpha) {
  linear_expand<T>(ctx, dpre, dy, w, nullptr, rows, n, row_count, cols, alpha);
  for (int64_t i = 0; i < n * row_count; ++i) {
    const double v = pre[i];
    const double t = std::tanh(kRootTwoOverPi * (v + kCubic * v * v * v));
    const double slope = kRootTwoOverPi * (1.0 + 3.0 * kCubic * v * v);
    dpre[i] = static_cast<T>(dpre[i] * (0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * slope));
  }
}

template MlpForward<float> mlp_forward<float>;
template MlpForward<double> mlp_forward<double>;
template MlpBackward<float> mlp_backward<float>;
template MlpBackward<double> mlp_backward<double>;

}  // namespace burgeon::ref
