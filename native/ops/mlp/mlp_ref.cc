#include <cmath>

#include "ops/mlp/mlp.h"

namespace burgeon::ref {

namespace {
constexpr double kRootTwoOverPi = 0.79788456080286535588;
constexpr double kCubic = 0.044715;
}  // namespace

template <class T>
void gelu_forward(OpContext&, T* act, const T* pre, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const double x = pre[i];
    act[i] = static_cast<T>(0.5 * x * (1.0 + std::tanh(kRootTwoOverPi * (x + kCubic * x * x * x))));
  }
}

template <class T>
void gelu_backward(OpContext&, T* dpre, const T* dact, const T* pre, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const double x = pre[i];
    const double t = std::tanh(kRootTwoOverPi * (x + kCubic * x * x * x));
    const double slope = kRootTwoOverPi * (1.0 + 3.0 * kCubic * x * x);
    dpre[i] = static_cast<T>(dact[i] * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope));
  }
}

template GeluForward<float> gelu_forward<float>;
template GeluForward<double> gelu_forward<double>;
template GeluBackward<float> gelu_backward<float>;
template GeluBackward<double> gelu_backward<double>;

}  // namespace burgeon::ref
