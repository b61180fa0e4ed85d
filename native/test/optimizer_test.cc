// AdamW and the sum of squares against the reference, on all and on some rows.
#include <cmath>

#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

constexpr ScratchShape kSmall{1, 1, 1, 1, 1};

struct Shape {
  int64_t count;  // active rows
  int64_t cols;
};

AdamWStep step_number(int64_t step, double weight_decay, double gradient_scale, bool cautious_decay = false) {
  const double beta1 = 0.9;
  const double beta2 = 0.95;
  return {1e-3,
          beta1,
          beta2,
          1e-8,
          weight_decay,
          gradient_scale,
          1 - std::pow(beta1, static_cast<double>(step)),
          1 - std::pow(beta2, static_cast<double>(step)),
          cautious_decay};
}

}  // namespace

TEST(adamw_matches_the_reference) {
  Random random(51);
  // Vectors of 4, 8 or 16 floats; tasks of 16384 elements, cut at rows where there is a list.
  for (const Shape& shape :
       {Shape{1, 1}, {1, 7}, {3, 16}, {5, 33}, {40, 1}, {64, 256}, {65, 255}, {3, 16384}, {2, 16385}, {1, 40000}}) {
    for (const ActiveRows& active : active_rows(random, shape.count)) {
      const int64_t cols = shape.cols;
      const Note note(std::to_string(active.count) + " x " + std::to_string(cols) + ", " + active.name);
      const int64_t size = active.total * cols;
      Floats w = random.normals(size);
      Floats g = random.normals(size, 0.1f);
      Floats m = random.normals(size, 0.1f);
      Floats v = random.normals(size, 0.01f);
      for (float& value : v) value *= value;
      // Of the first row: nothing has happened yet, a gradient for the first time, an ever smaller one.
      const int64_t first = active.rows() ? active.rows()[0] * cols : 0;
      if (cols > 3) {
        g[first] = m[first] = v[first] = 0;
        m[first + 1] = v[first + 1] = 0;
        g[first + 2] = m[first + 2] = v[first + 2] = 1e-20f;
      }
      const std::vector<Floats> outputs{active.hide_inactive(w, cols), active.hide_inactive(g, cols),
                                        active.hide_inactive(m, cols), active.hide_inactive(v, cols)};
      for (const AdamWStep& step : {step_number(1, 0.1, 1), step_number(1000, 0, 0.3), step_number(9, 0.1, 1, true)}) {
        const auto call = [&](auto& ops, OpContext& context, auto&, auto& out) {
          const AdamWRows<std::remove_reference_t<decltype(*out[0])>> part{
              out[0], out[1], out[2], out[3], active.rows(), active.count, cols, true, false};
          ops.adamw(context, {&part, 1}, step);
        };
        const auto bound = [&](size_t output, size_t i, double) {
          const double gradient = step.gradient_scale * outputs[1][i];
          if (output == 1) return 0.0;
          // A few roundings of what is added up; the moment's two parts may cancel, and the weight moves by its
          // quotient.
          const double first_moment = std::fabs(0.9 * outputs[2][i]) + std::fabs(0.1 * gradient);
          const double second_moment = 0.95 * outputs[3][i] + 0.05 * gradient * gradient;
          if (output == 2) return 6 * kRounding * first_moment + 1e-44;
          if (output == 3) return 8 * kRounding * second_moment + 1e-44;
          const double move = step.learning_rate * first_moment / step.bias_correction1 /
                              (std::sqrt(second_moment / step.bias_correction2) + step.epsilon);
          // Where the moment cancels to nearly nothing, its sign may be either.
          const double moment = 0.9 * outputs[2][i] + 0.1 * gradient;
          const bool is_open = step.cautious_decay && std::fabs(moment) <= 6 * kRounding * first_moment + 1e-44;
          const double decay = is_open ? step.learning_rate * step.weight_decay * std::fabs(outputs[0][i]) : 0;
          return decay + kRounding * (3 * std::fabs(outputs[0][i]) + 12 * move);
        };
        check_op(all_tables(), kSmall, {}, outputs, call, bound);
      }
    }
  }
}

#if defined(__x86_64__) || defined(__aarch64__)

// Of what gets no gradient any more. Computing with such numbers is slow, and rounding would keep them forever.
TEST(moments_too_small_for_all_digits_become_zero) {
  for (const Table& table : fast_tables()) {
    for (const int threads : table.threads) {
      const Note note(table.name + ", " + std::to_string(threads) + " threads");
      const int64_t size = 3 * 16384 + 5;
      Floats w(size, 1.0f), g(size, 0.0f), m(size, 1e-39f), v(size, 1e-45f);
      const AdamWRows<float> part{w.data(), g.data(), m.data(), v.data(), nullptr, 1, size, true, false};
      OpContext context = context_for(table, kSmall, threads);
      table.ops->adamw(context, {&part, 1}, step_number(5000, 0, 1));
      CHECK(m == Floats(size, 0.0f));
      CHECK(v == Floats(size, 0.0f));
      CHECK(w == Floats(size, 1.0f));
    }
  }
}

#endif

TEST(sum_of_squares_matches_the_reference) {
  Random random(52);
  // Spans of 4096 floats in fp32, at most 256 tasks, everything above in double.
  for (const Shape& shape : {Shape{1, 1},
                             {1, 63},
                             {7, 65},
                             {1, 4095},
                             {1, 4096},
                             {1, 4097},
                             {300, 17},
                             {1, 300 * 4096 + 5},
                             {3, 9000},
                             {1000, 1}}) {
    for (const ActiveRows& active : active_rows(random, shape.count)) {
      const int64_t cols = shape.cols;
      const Note note(std::to_string(active.count) + " x " + std::to_string(cols) + ", " + active.name);
      const Floats x = active.hide_inactive(random.normals(active.total * cols), cols);
      OpContext none{};
      const Doubles wide = widen(x);
      double expected = 0;
      const SquaredRows<double> wide_part{wide.data(), active.rows(), active.count, cols};
      const SquaredRows<float> part{x.data(), active.rows(), active.count, cols};
      ref::table<double>().sum_of_squares(none, &expected, {&wide_part, 1});
      for (const Table& table : all_tables()) {
        double first = 0;
        for (const int threads : table.threads) {
          const Note which(table.name + ", " + std::to_string(threads) + " threads");
          OpContext context = context_for(table, kSmall, threads);
          double sum = 0;
          table.ops->sum_of_squares(context, &sum, {&part, 1});
          // In one span each of at least 16 partial sums adds up to 256 squares.
          CHECK_NEAR(sum, expected, kRounding * (8 + 16) * expected);
          if (threads == 1) first = sum;
          CHECK(sum == first);
        }
      }
    }
  }
}

TEST(sum_of_squares_is_not_finite_when_an_element_is_not) {
  for (const float bad : {static_cast<float>(NAN), static_cast<float>(INFINITY)}) {
    for (const int64_t position : {0, 63, 64, 4999}) {
      Floats x(5000, 1.0f);
      x[position] = bad;
      for (const Table& table : all_tables()) {
        OpContext context = context_for(table, kSmall, 1);
        double sum = 0;
        const SquaredRows<float> part{x.data(), nullptr, 1, 5000};
        table.ops->sum_of_squares(context, &sum, {&part, 1});
        CHECK(!std::isfinite(sum));
      }
    }
  }
}

}  // namespace burgeon::test
