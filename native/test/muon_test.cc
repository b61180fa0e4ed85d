// Muon against the reference, on all and on some rows; and what its iteration does to singular values.
#include <algorithm>
#include <cmath>

#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

constexpr ScratchShape kSmall{1, 1, 1, 1, 1};

struct Shape {
  int64_t count;  // active rows
  int64_t cols;
};

int64_t work_size(const Shape& shape) {
  const int64_t shorter = std::min(shape.count, shape.cols);
  return 2 * shape.count * shape.cols + 2 * shorter * shorter;
}

// A call on w, g, m and the memory to work in, whose contents are not compared.
auto call_with(const ActiveRows& active, int64_t cols, const MuonStep& step, bool compact) {
  return [&active, cols, step, compact](auto& ops, OpContext& context, auto&, auto& out) {
    using M = std::remove_reference_t<decltype(*out[0])>;
    std::vector<M> work(static_cast<size_t>(work_size({active.count, cols})), static_cast<M>(NAN));
    const MuonRows<M> part{out[0], out[1], out[2], active.rows(), active.count, cols, compact};
    ops.muon(context, {&part, 1}, step, work.data());
  };
}

}  // namespace

TEST(muon_matches_the_reference) {
  Random random(61);
  // One row and one column; wide, square and high; blocks of 128 rows of a symmetric product, and more than 256 rows.
  for (const Shape& shape :
       {Shape{1, 1}, {1, 7}, {9, 1}, {5, 33}, {33, 5}, {64, 64}, {40, 130}, {130, 131}, {300, 9}}) {
    for (const ActiveRows& active : active_rows(random, shape.count)) {
      const int64_t cols = shape.cols;
      const Note note(std::to_string(active.count) + " x " + std::to_string(cols) + ", " + active.name);
      const int64_t size = active.total * cols;
      const std::vector<Floats> outputs{active.hide_inactive(random.normals(size), cols),
                                        active.hide_inactive(random.normals(size, 0.1f), cols),
                                        active.hide_inactive(random.normals(size, 0.1f), cols)};
      for (const MuonStep& step :
           {MuonStep{0.1, 0.95, 0.1, 1, false}, MuonStep{0.1, 0.5, 0, 0.3, false}, MuonStep{0.1, 0.95, 0.1, 1, true}}) {
        const double decay = step.learning_rate * step.weight_decay;
        // Where an element hardly moves, the sign of its update may be either.
        const auto open = [&](size_t i, double expected, double small) {
          const double w = outputs[0][i];
          const double moves = std::min(std::fabs(w - expected), std::fabs(w * (1 - decay) - expected));
          return step.cautious_decay && moves < small ? decay * std::fabs(w) : 0;
        };
        const auto bound = [&](size_t output, size_t i, double expected) {
          if (output == 1) return 0.0;
          if (output == 2) return 4 * kRounding * (std::fabs(outputs[1][i]) + std::fabs(outputs[2][i]));
          // Weights move by 0.02 on average. What rounds in a product is amplified at most by 3.44^5, the slope at
          // zero.
          const double rounding = 0.02 * 485 * 8 * kRounding;
          return open(i, expected, 2 * rounding) + 3 * kRounding * std::fabs(outputs[0][i]) + rounding;
        };
        check_op(all_tables(), kSmall, {}, outputs, call_with(active, cols, step, false), bound);
        // Products of bfloat16 round factors to 8 bits; singular values near zero differ most.
        const auto wide = [&](size_t output, size_t i, double expected) {
          return output == 0 ? 0.02 + open(i, expected, 0.04) : bound(output, i, expected);
        };
        const auto reference = run_reference(kSmall, {}, outputs, call_with(active, cols, step, false));
        for (const Bfloat16Table& table : bfloat16_tables()) {
          for (const int threads : table.threads) {
            const Note which(table.name + ", " + std::to_string(threads) + " threads");
            std::vector<Guarded> to(outputs.begin(), outputs.end());
            std::vector<float*> out;
            for (Guarded& values : to) out.push_back(values.data());
            std::vector<const float*> none;
            OpContext context = context_for(table, kSmall, threads);
            call_with(active, cols, step, false)(*table.ops, context, none, out);
            CHECK(context.multiply_adds == reference.multiply_adds);
            for (size_t k = 0; k < to.size(); ++k) {
              CHECK(to[k].intact());
              for (int64_t i = 0; i < size; ++i) {
                const double expected = reference.outputs[k][i];
                if (!std::isnan(expected)) CHECK_NEAR(to[k].data()[i], expected, wide(k, i, expected));
              }
            }
          }
        }
      }
    }
  }
}

// Rows of a gradient that has the active ones alone, which stays as it is.
TEST(muon_reads_compact_gradients) {
  Random random(62);
  for (const ActiveRows& active : active_rows(random, 9)) {
    const Note note(active.name);
    const int64_t cols = 11;
    const Floats w = active.hide_inactive(random.normals(active.total * cols), cols);
    const Floats m = active.hide_inactive(random.normals(active.total * cols), cols);
    Floats g = poison(active.total * cols);
    const Floats compact = random.normals(active.count * cols);
    for (int64_t j = 0; j < active.count; ++j) {
      const int64_t row = active.rows() ? active.rows()[j] : j;
      std::copy_n(compact.begin() + j * cols, cols, g.begin() + row * cols);
    }
    const MuonStep step{0.1, 0.95, 0.1, 0.5, false};
    const Expected whole = run_reference(kSmall, {}, {w, g, m}, call_with(active, cols, step, false));
    const Expected part = run_reference(kSmall, {}, {w, compact, m}, call_with(active, cols, step, true));
    for (const size_t output : {0, 2}) {
      for (size_t i = 0; i < w.size(); ++i) {
        if (!std::isnan(w[i])) CHECK(whole.outputs[output][i] == part.outputs[output][i]);
      }
    }
    CHECK(part.outputs[1] == widen(compact));
  }
}

// Orthogonal rows of any length become rows of length about one, which is what the iteration is for; a gradient of zero
// moves nothing.
TEST(muon_makes_singular_values_about_one) {
  const int64_t n = 8;
  for (const Table& table : all_tables()) {
    const Note note(table.name);
    for (const float size : {1e-12f, 1.0f, 1e12f, 0.0f}) {
      Floats w(n * n, 0), g(n * n, 0), m(n * n, 0), work(4 * n * n);
      for (int64_t i = 0; i < n; ++i) g[i * n + i] = size * static_cast<float>(i + 1);
      OpContext context = context_for(table, kSmall, 1);
      const MuonRows<float> part{w.data(), g.data(), m.data(), nullptr, n, n, false};
      table.ops->muon(context, {&part, 1}, {1, 0.9, 0, 1}, work.data());
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const double value = -w[i * n + j] / (kUpdateRms * std::sqrt(static_cast<double>(n)));
          if (i != j || size == 0) {
            CHECK(std::fabs(value) < 1e-5);
          } else {
            CHECK(value > 0.65);
            CHECK(value < 1.25);
          }
        }
      }
    }
  }
}

}  // namespace burgeon::test
