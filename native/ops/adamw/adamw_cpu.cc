#include "core/bfloat16.h"
#include "kernels/cpu/simd.h"
#include "ops/adamw/adamw.h"

namespace burgeon::BURGEON_ISA {

namespace {

constexpr int64_t kElementsPerTask = 16384;

// The constants of one step, rounded once.
struct Constants {
  float beta1, rest1, beta2, rest2, keep, rate, root_scale, epsilon, clip;
  Constants(const AdamWStep& s, bool decays)
      : beta1(static_cast<float>(s.beta1)),
        rest1(static_cast<float>(1 - s.beta1)),
        beta2(static_cast<float>(s.beta2)),
        rest2(static_cast<float>(1 - s.beta2)),
        keep(static_cast<float>(1 - s.learning_rate * (decays ? s.weight_decay : 0))),
        rate(static_cast<float>(s.learning_rate / s.bias_correction1)),
        root_scale(1.0f / __builtin_sqrtf(static_cast<float>(s.bias_correction2))),
        epsilon(static_cast<float>(s.epsilon)),
        clip(static_cast<float>(s.gradient_scale)) {}
};

// kCautious: what decay would move against the rest of the update does not decay.
template <bool kCautious>
BURGEON_INLINE void update(Vec& w, Vec g, Vec& m, Vec& v, const Constants& k) {
  g *= k.clip;
  m = k.beta1 * m + k.rest1 * g;
  v = k.beta2 * v + k.rest2 * (g * g);
  Vec keep = splat(k.keep);
  if (kCautious) keep = m * w >= 0.0f ? keep : splat(1.0f);
  w = w * keep - k.rate * m / (square_root(v) * k.root_scale + k.epsilon);
}

template <bool kCautious>
void update_span(float* w, float* g, float* m, float* v, int64_t count, const Constants& k) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    Vec wi = load(w + i), mi = load(m + i), vi = load(v + i);
    update<kCautious>(wi, load(g + i), mi, vi, k);
    store(w + i, wi);
    store(m + i, mi);
    store(v + i, vi);
    store(g + i, Vec{});
  }
  if (i < count) {
    const int64_t left = count - i;
    Vec wi = load_first(w + i, left), mi = load_first(m + i, left), vi = load_first(v + i, left);
    update<kCautious>(wi, load_first(g + i, left), mi, vi, k);
    store_first(w + i, wi, left);
    store_first(m + i, mi, left);
    store_first(v + i, vi, left);
    store_first(g + i, Vec{}, left);
  }
}

template <bool kCautious>
void update_rows(OpContext& ctx, const AdamWRows<float>& part, const Constants& constants) {
  const int64_t cols = part.cols;
  if (!part.rows) {
    const int64_t count = part.row_count * cols;
    parallel_for(ctx, ceil_div(count, kElementsPerTask), [&](int64_t task, int) {
      const int64_t at = task * kElementsPerTask;
      update_span<kCautious>(part.w + at, part.g + at, part.m + at, part.v + at, smaller(kElementsPerTask, count - at),
                             constants);
    });
    return;
  }
  const int64_t rows_per_task = larger(1, kElementsPerTask / cols);
  parallel_for(ctx, ceil_div(part.row_count, rows_per_task), [&](int64_t task, int) {
    for (int64_t j = task * rows_per_task; j < smaller(part.row_count, (task + 1) * rows_per_task); ++j) {
      const int64_t at = part.rows[j] * cols;
      update_span<kCautious>(part.w + at, part.g + at, part.m + at, part.v + at, cols, constants);
    }
  });
}

}  // namespace

template <class T>
void adamw(OpContext& ctx, Parts<AdamWRows<Master<T>>> parts, const AdamWStep& step) {
  const Constants decaying(step, true);
  const Constants keeping(step, false);
  for (int64_t i = 0; i < parts.count; ++i) {
    const AdamWRows<float>& part = parts.first[i];
    if (step.cautious_decay && part.decays) {
      update_rows<true>(ctx, part, decaying);
    } else {
      update_rows<false>(ctx, part, part.decays ? decaying : keeping);
    }
  }
}

template AdamW<float, float> adamw<float>;
template AdamW<bfloat16, float> adamw<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
