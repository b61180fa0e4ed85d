#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cross_entropy/cross_entropy.h"
#include "ops/cross_entropy/head_loss.h"

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

template <class T>
void head_loss(OpContext& ctx, Master<T>* losses, Master<T>* scales, T* gradient, const T* x, const T* w,
               const int32_t* targets, int64_t n, int64_t vocab, int64_t rows, int64_t stride, int64_t cols,
               Master<T> gradient_scale) {
  std::vector<T> logits(static_cast<size_t>(rows));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t v = 0; v < rows; ++v) {
      T sum = 0;
      for (int64_t c = 0; c < cols; ++c) sum += x[i * cols + c] * w[v * cols + c];
      logits[static_cast<size_t>(v)] = v < vocab ? sum : 0;
    }
    const T scale = gradient_scale == 0 ? 0 : 1;
    cross_entropy(ctx, losses + i, logits.data(), targets + i, 1, vocab, rows, scale);
    if (gradient_scale == 0) continue;
    scales[i] = gradient_scale;
    std::copy(logits.begin(), logits.end(), gradient + i * stride);
  }
  ctx.multiply_adds += n * rows * cols;
}

template <class T>
void scale_rows(OpContext&, T* y, const T* x, const Master<T>* scales, int64_t n, int64_t cols) {
  for (int64_t i = 0; i < n * cols; ++i) y[i] = scales[i / cols] * x[i];
}

template CrossEntropy<float> cross_entropy<float>;
template CrossEntropy<double> cross_entropy<double>;
template HeadLoss<float> head_loss<float>;
template HeadLoss<double> head_loss<double>;
template ScaleRows<float> scale_rows<float>;
template ScaleRows<double> scale_rows<double>;

}  // namespace burgeon::ref
