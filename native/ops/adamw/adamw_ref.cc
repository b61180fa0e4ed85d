#include <cmath>

#include "ops/adamw/adamw.h"

namespace burgeon::ref {

template <class T>
void adamw(OpContext&, Parts<AdamWRows<Master<T>>> parts, const AdamWStep& step) {
  for (int64_t p = 0; p < parts.count; ++p) {
    const AdamWRows<Master<T>>& part = parts.first[p];
    const double weight_decay = part.decays ? step.weight_decay : 0;
    for (int64_t j = 0; j < part.row_count; ++j) {
      const int64_t begin = (part.rows ? part.rows[j] : j) * part.cols;
      T* g = part.g + (part.compact_gradient ? j * part.cols : begin);
      for (int64_t i = begin; i < begin + part.cols; ++i, ++g) {
        const double gradient = step.gradient_scale * *g;
        const double first = step.beta1 * part.m[i] + (1 - step.beta1) * gradient;
        const double second = step.beta2 * part.v[i] + (1 - step.beta2) * gradient * gradient;
        const double denominator = std::sqrt(second / step.bias_correction2) + step.epsilon;
        const bool decays = !step.cautious_decay || first * part.w[i] >= 0;
        const double decayed = part.w[i] * (1 - step.learning_rate * (decays ? weight_decay : 0));
        part.w[i] = static_cast<T>(decayed - step.learning_rate * (first / step.bias_correction1) / denominator);
        part.m[i] = static_cast<T>(first);
        part.v[i] = static_cast<T>(second);
        if (!part.compact_gradient) *g = 0;
      }
    }
  }
}

template AdamW<float> adamw<float>;
template AdamW<double> adamw<double>;

}  // namespace burgeon::ref
