#include <cmath>

#include "ops/cross_entropy/cross_entropy.h"

namespace burgeon::ref {

template <class T>
void cross_entropy(OpContext&, Master<T>* losses, T* logits, const int32_t* targets, int64_t n, int64_t vocab,
                   int64_t stride, Master<T> gradient_scale) {
  for (int64_t i = 0; i < n; ++i) {
    T* row = logits + i * stride;
    const int32_t target = targets[i];
    if (target < 0) {
      losses[i] = 0;
      if (gradient_scale != 0) {
        for (int64_t v = 0; v < vocab; ++v) row[v] = 0;
      }
      continue;
    }
    double largest = -INFINITY;
    for (int64_t v = 0; v < vocab; ++v) {
      if (!(row[v] <= largest)) largest = row[v];
    }
    double sum = 0;
    for (int64_t v = 0; v < vocab; ++v) sum += std::exp(row[v] - largest);
    losses[i] = static_cast<T>(std::log(sum) + largest - row[target]);
    if (gradient_scale == 0) continue;
    for (int64_t v = 0; v < vocab; ++v) {
      const double probability = std::exp(row[v] - largest) / sum;
      row[v] = static_cast<T>(gradient_scale * (probability - (v == target ? 1.0 : 0.0)));
    }
  }
}

template CrossEntropy<float> cross_entropy<float>;
template CrossEntropy<double> cross_entropy<double>;

}  // namespace burgeon::ref
