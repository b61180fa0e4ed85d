// Products with a weight matrix against the reference: every edge of a tile, task and block of kernels/cpu/product.h,
// every kind of row list. With small integers every sum is exact in fp32, so results must be equal whatever the order
// of summation; one more test measures rounding on real numbers. All operands are numbers
// bfloat16 has, but where float32 itself is what is tested.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

struct Shape {
  int64_t n;     // tokens
  int64_t rows;  // active rows of the weight
  int64_t cols;
};

// Only the bias that `expand` gathers depends on the shape; the other ops get room for none.
ScratchShape scratch_shape(const Shape& s, int64_t gathered = 1) { return {s.n, 1, s.cols, gathered, 1}; }

std::string text(const Shape& s, const ActiveRows& active) {
  return std::to_string(s.n) + " x " + std::to_string(s.rows) + " x " + std::to_string(s.cols) + ", " + active.name;
}

// Every number at which some loop of kernels/cpu/product.h changes its course on some instruction set: micro-tiles
// of mr = 6, 12 or 32 rows and nr = 8, 16 or 32 columns, four panels per packing, 96 x 192 tasks, kc of 384 or 768
// units, 384, 768 or 1536 lanes of the resident operand and 96 or 384 of the streamed one.
const int64_t kEdges[] = {1,   2,   5,   6,  7,  8,  9,  11, 12,  13,  15,  16,  17,  31,  32,  33,  511,  512,  513,
                          767, 768, 769, 48, 65, 95, 96, 97, 129, 191, 192, 193, 257, 383, 384, 385, 1535, 1536, 1537};

std::vector<Shape> edge_shapes() {
  std::vector<Shape> shapes;
  for (const int64_t edge : kEdges) {
    shapes.push_back({edge, 13, 19});
    shapes.push_back({13, edge, 19});
    shapes.push_back({13, 19, edge});
  }
  // Several blocks of the depth, each with several of what streams past A or past B.
  shapes.insert(shapes.end(), {{390, 400, 800}, {400, 390, 800}, {780, 790, 40}, {790, 780, 40}});
  return shapes;
}

// And one so deep that blocks of the whole depth are as low as they get.
std::vector<Shape> shapes_of_expansion() {
  std::vector<Shape> shapes = edge_shapes();
  shapes.push_back({5, 200, 6200});
  return shapes;
}

// Makes the operands of an op and checks it; `values` draws them.
template <class Values>
struct Checks {
  const Shape s;
  const ActiveRows& active;
  Values values;
  Tolerance tolerance;

  void expand(bool biased, float alpha) const {
    const auto call = [&](auto& ops, OpContext& context, auto& in, auto& out) {
      ops.linear_expand(context, out[0], s.rows, in[0], in[1], biased ? in[2] : nullptr, active.rows(), s.n, s.rows,
                        s.cols, alpha);
    };
    check_op(scratch_shape(s, s.rows),
             {values(s.n * s.cols), active.hide_inactive(values(active.total * s.cols), s.cols),
              active.hide_inactive(values(active.total), 1)},
             {poison(s.n * s.rows)}, call, tolerance);
  }

  void contract(bool biased, bool residual, float alpha) const {
    const auto call = [&](auto& ops, OpContext& context, auto& in, auto& out) {
      ops.linear_contract(context, out[0], in[0], s.rows, in[1], biased ? in[2] : nullptr, residual ? in[3] : nullptr,
                          active.rows(), s.n, s.rows, s.cols, alpha, 1.5f);
    };
    check_op(scratch_shape(s),
             {values(s.n * s.rows), active.hide_inactive(values(active.total * s.cols), s.cols), values(s.cols),
              values(s.n * s.cols)},
             {poison(s.n * s.cols)}, call, tolerance);
  }

  void contract_in_place(float alpha) const {
    const auto call = [&](auto& ops, OpContext& context, auto& in, auto& out) {
      ops.linear_contract(context, out[0], in[0], s.rows, in[1], in[2], out[0], active.rows(), s.n, s.rows, s.cols,
                          alpha, 1);
    };
    check_op(scratch_shape(s),
             {values(s.n * s.rows), active.hide_inactive(values(active.total * s.cols), s.cols), values(s.cols)},
             {values(s.n * s.cols)}, call, tolerance);
  }

  void weight_gradient(float alpha, bool biased = true) const {
    const auto call = [&](auto& ops, OpContext& context, auto& in, auto& out) {
      ops.linear_weight_gradient(context, out[0], biased ? out[1] : nullptr, in[0], s.rows, in[1], active.rows(), s.n,
                                 s.rows, s.cols, alpha, false);
    };
    check_op(
        scratch_shape(s), {values(s.n * s.rows), values(s.n * s.cols)},
        {active.hide_inactive(values(active.total * s.cols), s.cols), active.hide_inactive(values(active.total), 1)},
        call, tolerance);
  }

  void mlp_forward() const {
    const auto call = [&](auto& ops, OpContext& context, auto& in, auto& out) {
      ops.mlp_forward(context, out[0], out[1], in[0], in[1], in[2], active.rows(), s.n, s.rows, s.cols);
    };
    check_op(scratch_shape(s, s.rows),
             {values(s.n * s.cols), active.hide_inactive(values(active.total * s.cols), s.cols),
              active.hide_inactive(values(active.total), 1)},
             {poison(s.n * s.rows), poison(s.n * s.rows)}, call, tolerance);
  }

  void mlp_backward(float alpha, const Floats& pre) const {
    const auto call = [&](auto& ops, OpContext& context, auto& in, auto& out) {
      ops.mlp_backward(context, out[0], in[0], in[1], in[2], active.rows(), s.n, s.rows, s.cols, alpha);
    };
    check_op(scratch_shape(s), {values(s.n * s.cols), pre, active.hide_inactive(values(active.total * s.cols), s.cols)},
             {poison(s.n * s.rows)}, call, tolerance);
  }
};

template <class Values>
Checks(Shape, const ActiveRows&, Values, Tolerance) -> Checks<Values>;

template <class Body>
void for_each_shape(uint64_t seed, const std::vector<Shape>& shapes, Body body) {
  Random random(seed);
  for (Shape shape : shapes) {
    for (const ActiveRows& active : active_rows(random, shape.rows)) {
      shape.rows = active.count;
      const Note note(text(shape, active));
      body(shape, active, random);
    }
  }
}

}  // namespace

TEST(linear_expand_is_exact_at_every_edge) {
  for_each_shape(1, shapes_of_expansion(), [](const Shape& shape, const ActiveRows& active, Random& random) {
    const Checks checks{shape, active, [&](int64_t count) { return random.integers(count); }, exact};
    checks.expand(true, 0.5f);
    if (shape.n == 13) checks.expand(false, 1);
  });
}

TEST(linear_contract_is_exact_at_every_edge) {
  for_each_shape(2, edge_shapes(), [](const Shape& shape, const ActiveRows& active, Random& random) {
    const Checks checks{shape, active, [&](int64_t count) { return random.integers(count); }, exact};
    checks.contract(true, true, 0.5f);
    checks.contract_in_place(2);
    if (shape.n != 13) return;
    checks.contract(true, false, 1);
    checks.contract(false, true, 1);
    checks.contract(false, false, 1);
  });
}

TEST(linear_weight_gradient_is_exact_at_every_edge) {
  for_each_shape(3, edge_shapes(), [](const Shape& shape, const ActiveRows& active, Random& random) {
    const Checks checks{shape, active, [&](int64_t count) { return random.integers(count); }, exact};
    checks.weight_gradient(0.5f);
    if (shape.n == 13) checks.weight_gradient(1, false);
  });
}

// GELU of an integer product: its own error is a few roundings (elementwise_test.cc measures it), so what is left to
// see is whether every element got the right sum, bias and factor.
TEST(mlp_products_are_right_at_every_edge) {
  for_each_shape(7, shapes_of_expansion(), [](const Shape& shape, const ActiveRows& active, Random& random) {
    const auto integers = [&](int64_t count) { return random.integers(count); };
    const auto near = [](size_t, size_t, double expected) { return 2e-5 * (std::fabs(expected) + 1e-3); };
    Checks{shape, active, integers, near}.mlp_forward();
    // Far from zero the slope is 1 or 0, near it anything in between.
    const auto spread = [&](size_t, size_t, double expected) {
      return 2e-6 * (std::fabs(expected) + 16 * static_cast<double>(shape.cols));
    };
    Checks{shape, active, integers, spread}.mlp_backward(0.5f, random.short_normals(shape.n * shape.rows, 2));
  });
}

TEST(linear_products_round_like_a_sum_of_that_length) {
  Random random(5);
  for (int round = 0; round < 24; ++round) {
    const Shape drawn{random.between(1, 120), random.between(1, 120), random.between(1, 500)};
    for (const ActiveRows& active : active_rows(random, drawn.rows)) {
      const Shape shape{drawn.n, active.count, drawn.cols};
      const Note note(text(shape, active));
      // A sum of k products of normal numbers is about sqrt(k); its partial sums lose one rounding each, which adds up
      // to about sqrt(k) roundings of sqrt(k). The largest of many thousand results is some five deviations out.
      const auto bound = [&](int64_t terms) {
        const double k = static_cast<double>(terms);
        return [k](size_t, size_t, double expected) {
          return kRounding * (5 * k + 8 * std::sqrt(k) + 4 * std::fabs(expected) + 8);
        };
      };
      const auto values = [&](int64_t count) { return random.short_normals(count); };
      Checks{shape, active, values, bound(shape.cols)}.expand(true, 0.3f);
      Checks{shape, active, values, bound(shape.rows)}.contract(true, true, 0.3f);
      Checks{shape, active, values, bound(shape.n)}.weight_gradient(0.3f);
    }
  }
}

// Instruction sets without products of float32 compute them in parts. Errors relative to the norms of what is
// multiplied: a sum of any length, term after term, makes a root mean square of 0.4 roundings.
TEST(linear_products_in_float32_keep_all_its_bits) {
  constexpr int64_t m = 37, n = 70;
  Random random(11);
  for (const int64_t depth : {1, 2, 3, 31, 33, 100, 511, 1100}) {
    Floats a = random.normals(m * depth), b = random.normals(n * depth);
    Floats a_transposed(a.size()), b_transposed(b.size());
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t i = 0; i < m; ++i) a_transposed[k * m + i] = a[i * depth + k];
      for (int64_t j = 0; j < n; ++j) b_transposed[k * n + j] = b[j * depth + k];
    }
    for (const Table& table : fast_tables()) {
      const Note note(table.name + ", depth " + std::to_string(depth));
      const auto check = [&](const char* name, auto call) {
        const Note op(name);
        Floats result(m * n);
        OpContext context = context_for(table, {m, 1, std::max(n, depth), std::max(n, depth), 1}, 2);
        call(context, result.data());
        double squares = 0;
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            double sum = 0, a_square = 0, b_square = 0;
            for (int64_t k = 0; k < depth; ++k) {
              const double x = a[i * depth + k], y = b[j * depth + k];
              sum += x * y;
              a_square += x * x;
              b_square += y * y;
            }
            const double error = (result[i * n + j] - sum) / std::sqrt(a_square * b_square);
            squares += error * error;
          }
        }
        const double rms = std::sqrt(squares / (m * n)) / kRounding;
        CHECK(rms < 0.7);
      };
      check("expand", [&](OpContext& context, float* y) {
        table.ops->linear_expand(context, y, n, a.data(), b.data(), nullptr, nullptr, m, n, depth, 1);
      });
      check("contract", [&](OpContext& context, float* y) {
        table.ops->linear_contract(context, y, a.data(), depth, b_transposed.data(), nullptr, nullptr, nullptr, m,
                                   depth, n, 1, 0);
      });
      check("weight gradient", [&](OpContext& context, float* dw) {
        table.ops->linear_weight_gradient(context, dw, nullptr, a_transposed.data(), m, b_transposed.data(), nullptr,
                                          depth, m, n, 1, false);
      });
    }
  }
}

TEST(linear_products_pass_on_what_is_not_finite) {
  constexpr int64_t m = 20, n = 40, depth = 50;
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Table& table : fast_tables()) {
    const Note note(table.name);
    for (const float value : {infinity, -infinity, std::nanf("")}) {
      Floats a(m * depth, 1), b(n * depth, 0.5f), y(m * n);
      a[3 * depth + 7] = value;
      OpContext context = context_for(table, {m, 1, depth, n, 1}, 2);
      table.ops->linear_expand(context, y.data(), n, a.data(), b.data(), nullptr, nullptr, m, n, depth, 1);
      for (int64_t i = 0; i < m * n; ++i) {
        if (i / n != 3) {
          CHECK(y[i] == 25);
        } else {
          CHECK(!std::isfinite(y[i]));
        }
      }
    }
  }
}

#if defined(__x86_64__) || defined(__aarch64__)

// On AMX by what its instructions do, elsewhere by the mode that threads run in.
TEST(linear_products_take_denormals_for_zero) {
  constexpr int64_t n = 40, depth = 50;
  for (const Table& table : fast_tables()) {
    for (const int64_t m : {1, 20}) {
      const Note note(table.name + ", " + std::to_string(m) + " rows");
      const Floats a(m * depth, 1e-39f), b(n * depth, 1e30f);
      Floats y = poison(m * n);
      OpContext context = context_for(table, {m, 1, depth, n, 1}, 2);
      table.ops->linear_expand(context, y.data(), n, a.data(), b.data(), nullptr, nullptr, m, n, depth, 1);
      CHECK(y == Floats(m * n, 0.0f));
    }
  }
}

#endif

// So many threads that they share a block of what stays.
TEST(linear_products_are_shared_out_to_many_threads) {
  const auto with_many = [](auto tables) {
    for (auto& table : tables) table.threads = {1, 16};
    return tables;
  };
  Random random(23);
  for (const Shape& s : {Shape{384, 390, 100}, Shape{390, 384, 100}}) {
    const Note note(text(s, {"dense", s.rows, s.rows, {}}));
    const auto call = [&](auto& ops, OpContext& context, auto& in, auto& out) {
      ops.linear_expand(context, out[0], s.rows, in[0], in[1], nullptr, nullptr, s.n, s.rows, s.cols, 1);
    };
    const std::vector<Floats> inputs{random.integers(s.n * s.cols), random.integers(s.rows * s.cols)};
    const std::vector<Floats> outputs{poison(s.n * s.rows)};
    const Expected expected = run_reference(scratch_shape(s), inputs, outputs, call);
    check_op(with_many(fast_tables()), scratch_shape(s), inputs, outputs, expected, call, exact);
    check_op(with_many(bfloat16_tables()), scratch_shape(s), inputs, outputs, expected, call, exact);
  }
}

// More than one block in every direction at once. The reference would take seconds, so rows and columns beside the
// edges of the blocks are recomputed here.
TEST(linear_products_larger_than_all_blocks) {
  constexpr int64_t m = 1541;
  constexpr int64_t n = 1543;
  constexpr int64_t depth = 389;
  Random random(6);
  const Floats a = random.integers(m * depth);
  const Floats b = random.integers(n * depth);
  Floats b_transposed(b.size());
  Floats a_transposed(a.size());
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < depth; ++k) b_transposed[k * n + j] = b[j * depth + k];
  }
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t k = 0; k < depth; ++k) a_transposed[k * m + i] = a[i * depth + k];
  }
  const auto check = [&](const Guarded& result) {
    CHECK(result.intact());
    int64_t wrong = 0;
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const bool edge =
            i < 2 || (i >= 1534 && i < 1538) || i == m - 1 || j < 2 || (j >= 1534 && j < 1538) || j == n - 1;
        if (!edge && (i * n + j) % 997 != 0) continue;
        float sum = 0;
        for (int64_t k = 0; k < depth; ++k) sum += a[i * depth + k] * b[j * depth + k];
        if (result.data()[i * n + j] != sum) ++wrong;
      }
    }
    CHECK_NEAR(static_cast<double>(wrong), 0, 0);
  };
  // Two threads pack what stays each for itself, three share it.
  for (const int threads : {2, 3}) {
    for (const Table& table : fast_tables()) {
      const Note note(table.name + ", " + std::to_string(threads) + " threads");
      OpContext context = context_for(table, {m, 1, n, n, 1}, threads);
      const auto run = [&](const char* name, const Floats& initial, auto call) {
        const Note op(name);
        Guarded result(initial);
        call(result.data());
        check(result);
      };
      run("expand", poison(m * n), [&](float* y) {
        table.ops->linear_expand(context, y, n, a.data(), b.data(), nullptr, nullptr, m, n, depth, 1);
      });
      run("contract", poison(m * n), [&](float* y) {
        table.ops->linear_contract(context, y, a.data(), depth, b_transposed.data(), nullptr, nullptr, nullptr, m,
                                   depth, n, 1, 0);
      });
      run("weight gradient", Floats(m * n), [&](float* dw) {
        table.ops->linear_weight_gradient(context, dw, nullptr, a_transposed.data(), m, b_transposed.data(), nullptr,
                                          depth, m, n, 1, false);
      });
      CHECK(context.multiply_adds == 3 * m * n * depth);
    }
  }
}

}  // namespace burgeon::test
