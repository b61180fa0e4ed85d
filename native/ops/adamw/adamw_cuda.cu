// Scattered rows of the masters, their moments and their gradient, in place: 28 bytes per element.
#include "kernels/cuda/row_parts.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

// The constants of one step, rounded once.
struct Constants {
  float beta1, rest1, beta2, rest2, kept, rate, correction2, epsilon, clip;
  bool cautious;
};

Constants constants_of(const AdamWStep& s) {
  return {static_cast<float>(s.beta1),
          static_cast<float>(1 - s.beta1),
          static_cast<float>(s.beta2),
          static_cast<float>(1 - s.beta2),
          static_cast<float>(1 - s.learning_rate * s.weight_decay),
          static_cast<float>(s.learning_rate / s.bias_correction1),
          static_cast<float>(1 / s.bias_correction2),
          static_cast<float>(s.epsilon),
          static_cast<float>(s.gradient_scale),
          s.cautious_decay};
}

struct AdamWPart {
  static constexpr int kLanes = kVector<float>;
  RowPlaces places;
  float* w;
  float* g;
  float* m;
  float* v;
  bool decays;
  bool compact_gradient;

  template <int N>
  BURGEON_DEVICE void apply(const VectorPlace& at, const Constants& step) const {
    const float kept = decays ? step.kept : 1;
    float* const gradients = g + (compact_gradient ? at.compact : at.master);
    float weight[N];
    float gradient[N];
    float first[N];
    float second[N];
    load(weight, w + at.master);
    load(gradient, gradients);
    load(first, m + at.master);
    load(second, v + at.master);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float scaled = step.clip * gradient[i];
      first[i] = step.beta1 * first[i] + step.rest1 * scaled;
      second[i] = step.beta2 * second[i] + step.rest2 * scaled * scaled;
      const bool keeps = step.cautious && first[i] * weight[i] < 0;
      weight[i] = weight[i] * (keeps ? 1 : kept) -
                  step.rate * first[i] / (square_root(second[i] * step.correction2) + step.epsilon);
      gradient[i] = 0;
    }
    store(w + at.master, weight);
    store(m + at.master, first);
    store(v + at.master, second);
    if (!compact_gradient) store(gradients, gradient);
  }
};

}  // namespace

void adamw(Stream stream, Parts<AdamWRows<float>> parts, const AdamWStep& step, void* table) {
  launch_row_parts<AdamWPart>(stream, table, parts.count, constants_of(step), [&](int64_t i, int64_t* blocks) {
    const AdamWRows<float>& part = parts.first[i];
    const auto [row_count, cols] = flat(part.rows, part.row_count, part.cols);
    const int lanes = in_vectors(kVector<float>, cols, part.w, part.g, part.m, part.v) ? kVector<float> : 1;
    return AdamWPart{row_places(part.rows, row_count, cols, lanes, blocks),
                     part.w,
                     part.g,
                     part.m,
                     part.v,
                     part.decays,
                     part.compact_gradient};
  });
}

}  // namespace burgeon::cuda
