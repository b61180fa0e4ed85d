#include "ops/mlp/mlp.h"

#include "backend/cpu/simd.h"

namespace burgeon::BURGEON_ISA {

namespace {

constexpr int64_t kElementsPerTask = 8192;
constexpr float kTwoRootTwoOverPi = 1.5957691216057308f;
constexpr float kCubic = 0.044715f;

// (1 + tanh(u)) / 2 is the logistic function of 2u, so GELU is x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)).
BURGEON_INLINE Vec gate(Vec x) {
  const Vec u = kTwoRootTwoOverPi * (x + kCubic * x * x * x);
  return 1.0f / (1.0f + exponential(-u));
}

// Calls f(pointer offset, lanes) over [0, count) in vectors, on the pool.
template <class Whole, class Part>
BURGEON_INLINE void for_each(OpContext& ctx, int64_t count, Whole whole, Part part) {
  parallel_for(ctx, ceil_div(count, kElementsPerTask), [&](int64_t task, int) {
    int64_t i = task * kElementsPerTask;
    const int64_t end = smaller(count, i + kElementsPerTask);
    for (; i + kWidth <= end; i += kWidth) whole(i);
    if (i < end) part(i, end - i);
  });
}

BURGEON_INLINE Vec gelu(Vec x) { return x * gate(x); }

BURGEON_INLINE Vec gelu_slope(Vec x) {
  const Vec s = gate(x);
  return s + x * s * (1.0f - s) * (kTwoRootTwoOverPi * (1.0f + 3.0f * kCubic * x * x));
}

}  // namespace

void gelu_forward(OpContext& ctx, float* act, const float* pre, int64_t count) {
  for_each(
      ctx, count, [=](int64_t i) { store(act + i, gelu(load(pre + i))); },
      [=](int64_t i, int64_t lanes) { store_first(act + i, gelu(load_first(pre + i, lanes)), lanes); });
}

void gelu_backward(OpContext& ctx, float* dpre, const float* dact, const float* pre, int64_t count) {
  for_each(
      ctx, count, [=](int64_t i) { store(dpre + i, load(dact + i) * gelu_slope(load(pre + i))); },
      [=](int64_t i, int64_t lanes) {
        store_first(dpre + i, load_first(dact + i, lanes) * gelu_slope(load_first(pre + i, lanes)), lanes);
      });
}

}  // namespace burgeon::BURGEON_ISA
