// Scattered rows of the masters, their moments and their gradient, in place: 28 bytes per element.
#include "backend/cuda/kernels.h"
#include "backend/cuda/vector.cuh"

namespace burgeon::cuda {

namespace {

template <int N>
BURGEON_KERNEL(kElementThreads, 4)
adamw_kernel(float* w, float* g, float* m, float* v, const int32_t* rows, uint32_t count, uint32_t per_row,
             const AdamWStep* step, bool decays) {
  const uint32_t index = element_index();
  if (index >= count) return;
  const uint32_t j = index / per_row;
  const int64_t row = rows ? rows[j] : j;
  const int64_t at = (row * per_row + index % per_row) * N;
  const float beta1 = static_cast<float>(step->beta1);
  const float beta2 = static_cast<float>(step->beta2);
  const float rest1 = static_cast<float>(1 - step->beta1);
  const float rest2 = static_cast<float>(1 - step->beta2);
  const float epsilon = static_cast<float>(step->epsilon);
  const float gradient_scale = static_cast<float>(step->gradient_scale);
  const float kept = static_cast<float>(decays ? 1 - step->learning_rate * step->weight_decay : 1);
  const float rate = static_cast<float>(step->learning_rate / step->bias_correction1);
  const float correction2 = static_cast<float>(1 / step->bias_correction2);
  float weight[N];
  float gradient[N];
  float first[N];
  float second[N];
  load(weight, w + at);
  load(gradient, g + at);
  load(first, m + at);
  load(second, v + at);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float scaled = gradient_scale * gradient[i];
    first[i] = beta1 * first[i] + rest1 * scaled;
    second[i] = beta2 * second[i] + rest2 * scaled * scaled;
    weight[i] = weight[i] * kept - rate * first[i] / (square_root(second[i] * correction2) + epsilon);
    gradient[i] = 0;
  }
  store(w + at, weight);
  store(g + at, gradient);
  store(m + at, first);
  store(v + at, second);
}

}  // namespace

void adamw(Stream stream, float* w, float* g, float* m, float* v, const int32_t* rows, int64_t row_count, int64_t cols,
           const AdamWStep* step, bool decays) {
  with_vectors<float>(in_vectors(kVector<float>, cols, w, g, m, v), [&](auto lanes) {
    constexpr int N = decltype(lanes)::value;
    const int64_t count = row_count * (cols / N);
    launch(stream, grid_of(count), kElementThreads, 0, adamw_kernel<N>, w, g, m, v, rows, count, cols / N, step,
           decays);
  });
}

}  // namespace burgeon::cuda
