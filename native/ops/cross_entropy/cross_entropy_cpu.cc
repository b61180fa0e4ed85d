#include "kernels/cpu/simd.h"
#include "ops/cross_entropy/cross_entropy.h"

namespace burgeon::BURGEON_ISA {

template <class T>
void cross_entropy(OpContext& ctx, Master<T>* losses, T* logits, const int32_t* targets, int64_t n, int64_t vocab,
                   int64_t stride, Master<T> gradient_scale) {
  constexpr int64_t kRowsPerTask = 4;
  constexpr int64_t kSegment = 2048;  // logits
  parallel_for(ctx, ceil_div(n, kRowsPerTask), [&](int64_t task, int) {
    const float lowest = -__builtin_inff();
    for (int64_t i = task * kRowsPerTask; i < smaller(n, (task + 1) * kRowsPerTask); ++i) {
      T* row = logits + i * stride;
      if (targets[i] < 0) {
        losses[i] = 0;
        if (gradient_scale != 0) {
          for (int64_t v = 0; v < vocab; v += kWidth) store_first(row + v, Vec{}, vocab - v);
        }
        continue;
      }
      const float target_logit = load_one(row + targets[i]);
      // Sums relative to the largest logit so far, a segment at a time while it is in the first-level cache: the row is
      // read from memory once. Two sums keep the additions independent of each other.
      float top = lowest;
      Vec sums[2] = {};
      for (int64_t begin = 0; begin < vocab; begin += kSegment) {
        const int64_t count = smaller(kSegment, vocab - begin);
        const auto lanes = [&](int64_t v) {
          const T* p = row + begin + v;
          return count - v >= kWidth ? load(p) : keep_first(load_first(p, count - v), count - v, lowest);
        };
        Vec largests[2] = {splat(lowest), splat(lowest)};
        for (int64_t v = 0; v < count; v += 2 * kWidth) {
          for (int s = 0; s < 2; ++s) largests[s] = largest(largests[s], lanes(v + s * kWidth));
        }
        const float candidate = largest_lane(largest(largests[0], largests[1]));
        if (!(candidate <= top)) {
          const Vec correction = exponential(splat(top - candidate));
          for (int s = 0; s < 2; ++s) sums[s] *= correction;
          top = candidate;
        }
        if (top == lowest) continue;
        for (int64_t v = 0; v < count; v += 2 * kWidth) {
          for (int s = 0; s < 2; ++s) sums[s] += exponential(lanes(v + s * kWidth) - top);
        }
      }
      const float sum = sum_lanes(sums[0] + sums[1]);
      losses[i] = __builtin_logf(sum) + top - target_logit;
      if (gradient_scale == 0) continue;
      const Vec factor = splat(gradient_scale / sum);
      int64_t c = 0;
      for (; c + kWidth <= vocab; c += kWidth) store(row + c, factor * exponential_for<T>(load(row + c) - top));
      if (c < vocab) store_first(row + c, factor * exponential_for<T>(load_first(row + c, vocab - c) - top), vocab - c);
      // From the logit, as the row now holds rounded numbers.
      store_one(row + targets[i], (factor * exponential(splat(target_logit - top)))[0] - gradient_scale);
    }
  });
}

template CrossEntropy<float> cross_entropy<float>;
template CrossEntropy<bfloat16> cross_entropy<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
