// Softmax cross-entropy against the reference: ignored targets, large logits, with and without the gradient.
#include <algorithm>
#include <cmath>

#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

constexpr ScratchShape kNoScratch{1, 1, 1, 1, 1};

void check_loss(const Floats& logits, const std::vector<int32_t>& targets, int64_t vocab, float gradient_scale) {
  const int64_t n = static_cast<int64_t>(targets.size());
  const Note note(std::to_string(n) + " x " + std::to_string(vocab));
  Doubles tops;
  for (int64_t i = 0; i < n; ++i) {
    tops.push_back(*std::max_element(logits.begin() + i * vocab, logits.begin() + (i + 1) * vocab));
  }
  const auto bound = [&](size_t output, size_t i, double expected) {
    const size_t row = output == 0 ? i : i / vocab;
    const float* values = logits.data() + row * vocab;
    const double top = tops[row];
    const double sum = 8 + std::sqrt(static_cast<double>(vocab));
    // The loss is a difference of numbers of the size of the logits.
    if (output == 0) {
      const double target = targets[row] < 0 ? 0 : values[targets[row]];
      return kRounding * (sum + std::fabs(top) + std::fabs(target) + std::fabs(expected));
    }
    if (gradient_scale == 0 || targets[row] < 0) return 0.0;
    // The exponent is rounded once, and the target's gradient is a difference of two numbers up to gradient_scale.
    const double distance = std::fmin(90.0, std::fabs(top - values[i % vocab]));
    const bool is_target = static_cast<int64_t>(i) % vocab == targets[row];
    const double size = is_target ? std::fabs(gradient_scale) : std::fabs(expected);
    return kRounding * (sum + distance) * size + 1e-37;
  };
  const auto call = [&](auto& ops, OpContext& context, auto&, auto& out) {
    ops.cross_entropy(context, out[0], out[1], targets.data(), n, vocab, vocab, gradient_scale);
  };
  check_op(kNoScratch, {}, {poison(n), logits}, call, bound);
}

}  // namespace

TEST(cross_entropy_matches_the_reference) {
  Random random(41);
  // Vectors of 4, 8 or 16 floats in groups of four; tasks of four rows.
  for (const int64_t vocab : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 63, 64, 65, 67, 129, 1000, 5003}) {
    for (const int64_t n : {1, 3, 4, 5, 9}) {
      std::vector<int32_t> targets(n);
      for (auto& target : targets) {
        target = random.between(0, 4) == 0 ? -1 : static_cast<int32_t>(random.between(0, vocab - 1));
      }
      const Floats logits = random.short_normals(n * vocab, 3);
      check_loss(logits, targets, vocab, 0);
      check_loss(logits, targets, vocab, 0.125f);
      check_loss(logits, targets, vocab, -3);
    }
  }
}

TEST(cross_entropy_of_extreme_logits) {
  Random random(42);
  for (const float scale : {30.0f, 1e4f, 1e30f}) {
    for (const int64_t vocab : {2, 17, 100}) {
      Floats logits = random.short_normals(3 * vocab, scale);
      logits[0] = -INFINITY;  // a masked token, not the target
      check_loss(logits, {static_cast<int32_t>(vocab - 1), 0, -1}, vocab, 1);
    }
  }
  check_loss(Floats(5 * 40, 3.0f), {0, 1, 2, 38, 39}, 40, 1);  // a uniform distribution
}

TEST(cross_entropy_shows_a_logit_that_is_not_finite) {
  for (const float bad : {static_cast<float>(NAN), static_cast<float>(INFINITY)}) {
    for (const int64_t vocab : {1, 3, 16, 70}) {
      for (int64_t position = 0; position < vocab; ++position) {
        Floats logits(vocab, 0.5f);
        logits[position] = bad;
        const int32_t target = 0;
        const Note note(std::to_string(position) + " of " + std::to_string(vocab));
        for_each_table([&](const auto& table) {
          const Results results = run_op(table, kNoScratch, 1, {}, {Floats(1), logits},
                                         [&](auto& ops, OpContext& context, auto&, auto& out) {
                                           ops.cross_entropy(context, out[0], out[1], &target, 1, vocab, vocab, 1);
                                         });
          CHECK(!std::isfinite(results.outputs[0][0]));
        });
      }
    }
  }
}

}  // namespace burgeon::test
