#include <cmath>

#include "ops/adamw/adamw.h"

namespace burgeon::ref {

template <class T>
void adamw(OpContext&, Master<T>* w, Master<T>* g, Master<T>* m, Master<T>* v, const int32_t* rows, int64_t row_count,
           int64_t cols, const AdamWStep& step) {
  for (int64_t j = 0; j < row_count; ++j) {
    const int64_t begin = (rows ? rows[j] : j) * cols;
    for (int64_t i = begin; i < begin + cols; ++i) {
      const double gradient = step.gradient_scale * g[i];
      const double first = step.beta1 * m[i] + (1 - step.beta1) * gradient;
      const double second = step.beta2 * v[i] + (1 - step.beta2) * gradient * gradient;
      const double denominator = std::sqrt(second / step.bias_correction2) + step.epsilon;
      const double decayed = w[i] * (1 - step.learning_rate * step.weight_decay);
      w[i] = static_cast<T>(decayed - step.learning_rate * (first / step.bias_correction1) / denominator);
      m[i] = static_cast<T>(first);
      v[i] = static_cast<T>(second);
      g[i] = 0;
    }
  }
}

template AdamW<float> adamw<float>;
template AdamW<double> adamw<double>;

}  // namespace burgeon::ref
