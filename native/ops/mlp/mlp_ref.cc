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
void mlp_forward(OpContext& ctx, T* act, T* pre, const T* x, const T* w, const Master<T>* bias, const int32_t* rows,
                 int64_t n, int64_t row_count, int64_t cols) {
  linear_expand<T>(ctx, pre, row_count, x, w, bias, rows, n, row_count, cols, 1);
  for (int64_t i = 0; i < n * row_count; ++i) {
    const double v = pre[i];
    act[i] = static_cast<T>(0.5 * v * (1.0 + std::tanh(kRootTwoOverPi * (v + kCubic * v * v * v))));
  }
}

template <class T>
void mlp_backward(OpContext& ctx, T* dpre, const T* dy, const T* pre, const T* w, const int32_t* rows, int64_t n,
                  int64_t row_count, int64_t cols, Master<T> alpha) {
  linear_expand<T>(ctx, dpre, row_count, dy, w, nullptr, rows, n, row_count, cols, alpha);
  for (int64_t i = 0; i < n * row_count; ++i) {
    const double v = pre[i];
    const double t = std::tanh(kRootTwoOverPi * (v + kCubic * v * v * v));
    const double slope = kRootTwoOverPi * (1.0 + 3.0 * kCubic * v * v);
    dpre[i] = static_cast<T>(dpre[i] * (0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * slope));
  }
}

template <class T>
void swiglu_forward(OpContext& ctx, T* act, T* gate, T* up, const T* x, const T* gate_w, const Master<T>* gate_bias,
                    const T* up_w, const Master<T>* up_bias, const int32_t* rows, int64_t n, int64_t row_count,
                    int64_t cols) {
  linear_expand<T>(ctx, gate, row_count, x, gate_w, gate_bias, rows, n, row_count, cols, 1);
  linear_expand<T>(ctx, up, row_count, x, up_w, up_bias, rows, n, row_count, cols, 1);
  for (int64_t i = 0; i < n * row_count; ++i) {
    const double g = gate[i];
    act[i] = static_cast<T>(g / (1.0 + std::exp(-g)) * up[i]);
  }
}

template <class T>
void swiglu_backward(OpContext& ctx, T* dgate, T* dup, const T* dy, const T* gate, const T* up, const T* w,
                     const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha) {
  linear_expand<T>(ctx, dup, row_count, dy, w, nullptr, rows, n, row_count, cols, alpha);
  for (int64_t i = 0; i < n * row_count; ++i) {
    const double d = dup[i];
    const double g = gate[i];
    const double s = 1.0 / (1.0 + std::exp(-g));
    dgate[i] = static_cast<T>(d * up[i] * s * (1.0 + g * (1.0 - s)));
    dup[i] = static_cast<T>(d * g * s);
  }
}

template SwigluForward<float> swiglu_forward<float>;
template SwigluForward<double> swiglu_forward<double>;
template SwigluBackward<float> swiglu_backward<float>;
template SwigluBackward<double> swiglu_backward<double>;
template MlpForward<float> mlp_forward<float>;
template MlpForward<double> mlp_forward<double>;
template MlpBackward<float> mlp_backward<float>;
template MlpBackward<double> mlp_backward<double>;

}  // namespace burgeon::ref
