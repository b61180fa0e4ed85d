#include "ops/cross_entropy/cross_entropy.h"

#include "backend/cpu/simd.h"

namespace burgeon::BURGEON_ISA {

void cross_entropy(OpContext& ctx, float* losses, float* logits, const int32_t* targets, int64_t n, int64_t vocab,
                   float gradient_scale) {
  constexpr int64_t kRowsPerTask = 4;
  parallel_for(ctx, ceil_div(n, kRowsPerTask), [&](int64_t task, int) {
    const int64_t whole = vocab / kWidth * kWidth;
    const int64_t rest = vocab - whole;
    const float lowest = -__builtin_inff();
    for (int64_t i = task * kRowsPerTask; i < smaller(n, (task + 1) * kRowsPerTask); ++i) {
      float* row = logits + i * vocab;
      if (targets[i] < 0) {
        losses[i] = 0;
        if (gradient_scale != 0) {
          for (int64_t v = 0; v < vocab; ++v) row[v] = 0;
        }
        continue;
      }
      Vec largests = load_first(row + whole, rest, lowest);
      for (int64_t v = 0; v < whole; v += kWidth) largests = largest(largests, load(row + v));
      const float top = largest_lane(largests);
      const float target_logit = row[targets[i]];
      // Four sums keep the additions independent of each other.
      Vec sums[4] = {};
      int64_t v = 0;
      for (; v + 4 * kWidth <= whole; v += 4 * kWidth) {
        for (int s = 0; s < 4; ++s) sums[s] += exponential(load(row + v + s * kWidth) - top);
      }
      for (; v < whole; v += kWidth) sums[0] += exponential(load(row + v) - top);
      if (rest) sums[1] += exponential(load_first(row + whole, rest, lowest) - top);
      const float sum = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
      losses[i] = __builtin_logf(sum) + top - target_logit;
      if (gradient_scale == 0) continue;
      const Vec factor = splat(gradient_scale / sum);
      for (int64_t c = 0; c < whole; c += kWidth) store(row + c, factor * exponential(load(row + c) - top));
      if (rest) store_first(row + whole, factor * exponential(load_first(row + whole, rest, lowest) - top), rest);
      row[targets[i]] -= gradient_scale;
    }
  });
}

}  // namespace burgeon::BURGEON_ISA
