// Activations, norms, rotary positions and embedding against the reference, at sizes around vectors and tasks.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

constexpr ScratchShape kNoScratch{1, 1, 1, 1, 1};

struct Shape {
  int64_t rows;
  int64_t cols;
};

// Vectors of 4, 8 or 16 floats, in groups of four; tasks of 64 tokens and 64 columns (embedding).
const int64_t kWidths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 129, 300};

}  // namespace

TEST(gelu_matches_the_reference) {
  Random random(31);
  for (const int64_t count : {1, 3, 4, 5, 11, 12, 13, 15, 16, 17, 33, 191, 193, 1537, 3001}) {
    const Note note(std::to_string(count));
    Floats pre = random.normals(count, 3);
    const Floats tails{0.0f, -0.0f, 12.0f, -12.0f, 60.0f, -60.0f, 1e10f, -1e10f, 1e-30f};
    std::copy_n(tails.begin(), std::min<int64_t>(count, 9), pre.begin());
    const Floats dact = random.normals(count);
    // The exponent is some 2 |x + x^3 / 20|, and its rounding is the relative error of what the gate lets through.
    const auto bound = [&](size_t i) {
      const double x = std::fabs(static_cast<double>(pre[i]));
      const double exponent = std::fmin(100.0, 1.6 * (x + 0.045 * x * x * x));
      return kRounding * (8 + 4 * exponent);
    };
    // Products with one column: `count` rows of weights times 1, or `count` tokens times a weight of 1.
    const Floats one{1};
    const Floats no_bias(count);
    for (const bool along_rows : {true, false}) {
      const int64_t n = along_rows ? 1 : count;
      const int64_t rows = along_rows ? count : 1;
      const ScratchShape shape{n, 1, 1, rows, 1};
      check_op(
          all_tables(), shape, {along_rows ? one : pre, along_rows ? pre : one, no_bias},
          {poison(count), poison(count)},
          [&](auto& ops, OpContext& context, auto& in, auto& out) {
            ops.mlp_forward(context, out[0], out[1], in[0], in[1], in[2], nullptr, n, rows, 1);
          },
          // The reference adds 1 to a tanh near -1, which is good to a rounding of double.
          [&](size_t output, size_t i, double expected) {
            if (output == 1) return 0.0;
            return bound(i) * std::fabs(expected) + std::fabs(static_cast<double>(pre[i])) * 2e-16;
          });
      check_op(
          all_tables(), shape, {along_rows ? one : dact, pre, along_rows ? dact : one}, {poison(count)},
          [&](auto& ops, OpContext& context, auto& in, auto& out) {
            ops.mlp_backward(context, out[0], in[0], in[1], in[2], nullptr, n, rows, 1, 1);
          },
          [&](size_t, size_t i, double) { return bound(i) * std::fabs(static_cast<double>(dact[i])); });
    }
  }
}

TEST(norm_matches_the_reference) {
  Random random(32);
  for (const int64_t n : {1, 2, 15, 16, 17, 31, 32, 33, 65, 511, 513, 700}) {
    for (const int64_t width : kWidths) {
      if (n > 100 && width > 40) continue;
      const Note note(std::to_string(n) + " x " + std::to_string(width));
      const ScratchShape shape{n, 1, width, 3 * width, 1};
      const Floats x = random.normals(n * width, 2, 1);
      const Floats weight = random.normals(width, 0.3f, 1);
      const Floats bias = random.normals(width);
      const float epsilon = 1e-5f;
      const auto forward = [&](auto& ops, OpContext& context, auto& in, auto& out) {
        ops.norm_forward(context, out[0], out[1], out[2], in[0], in[1], in[2], n, width, epsilon);
      };
      const std::vector<Floats> outputs{poison(n * width), poison(n), poison(n)};
      const Expected saved = run_reference(shape, {x, weight, bias}, outputs, forward);
      // Centring loses a rounding of the values themselves (up to 9 here), which rstd magnifies; rstd in turn is as
      // good as the sum of squares, unless that is itself all rounding, as it is for one element.
      const double sum = kRounding * (8 + std::sqrt(static_cast<double>(width)));
      const auto bound = [&](size_t output, size_t i, double expected) {
        const size_t row = output == 0 ? i / width : i;
        const double rstd = saved.outputs[2][row];
        if (output == 1) return sum * 9;
        if (output == 2) return sum * (rstd * 9 + 1) * rstd;
        return sum * (9 * rstd * (1 + 9 * rstd) * 2.2 + std::fabs(expected));
      };
      check_op(shape, {x, weight, bias}, outputs, forward, bound);

      const auto narrow = [](const Doubles& values) { return Floats(values.begin(), values.end()); };
      const Floats dy = random.normals(n * width);
      const Floats dx = random.normals(n * width);
      const auto backward = [&](auto& ops, OpContext& context, auto& in, auto& out) {
        ops.norm_backward(context, out[0], out[3], out[1], out[2], out[4], 0.75f, in[0], in[1], in[2], in[3], in[4], n,
                          width);
      };
      const double rows = kRounding * (8 + std::sqrt(static_cast<double>(n)));
      const auto backward_bound = [&](size_t output, size_t i, double expected) {
        if (output == 1 || output == 2) {
          // Sums of n gradients of about 1, times normalised inputs of at most 4.
          return rows * (std::fabs(expected) + 4 * 4 * std::sqrt(static_cast<double>(n)));
        }
        const auto off = [&](size_t at) {
          const double rstd = saved.outputs[2][at / width];
          return sum * (2 * std::fabs(static_cast<double>(dx[at])) + 50 * rstd * (1 + 9 * rstd));
        };
        if (output != 4) return off(i) + sum * std::fabs(expected);
        double total = 0;  // of what is summed
        for (int64_t row = 0; row < n; ++row) total += off(row * width + i);
        return total + rows * (std::fabs(expected) + 4 * static_cast<double>(n));
      };
      check_op(shape, {dy, x, narrow(saved.outputs[1]), narrow(saved.outputs[2]), weight},
               {dx, random.normals(width), random.normals(width), poison(n * width), random.normals(width)}, backward,
               backward_bound);
    }
  }
}

// Without means: the same bounds, less the centring.
TEST(rms_norm_matches_the_reference) {
  Random random(34);
  for (const int64_t n : {1, 2, 17, 33, 513}) {
    for (const int64_t width : kWidths) {
      const Note note(std::to_string(n) + " x " + std::to_string(width));
      const ScratchShape shape{n, 1, width, 3 * width, 1};
      const Floats x = random.normals(n * width, 2, 1);
      const Floats weight = random.normals(width, 0.3f, 1);
      const auto forward = [&](auto& ops, OpContext& context, auto& in, auto& out) {
        ops.norm_forward(context, out[0], nullptr, out[1], in[0], in[1], nullptr, n, width, 1e-5f);
      };
      const std::vector<Floats> outputs{poison(n * width), poison(n)};
      const Expected saved = run_reference(shape, {x, weight}, outputs, forward);
      const double sum = kRounding * (8 + std::sqrt(static_cast<double>(width)));
      check_op(shape, {x, weight}, outputs, forward,
               [&](size_t, size_t, double expected) { return 2 * sum * std::fabs(expected); });

      const Floats rstd(saved.outputs[1].begin(), saved.outputs[1].end());
      const Floats dy = random.normals(n * width);
      const Floats dx = random.normals(n * width);
      const auto backward = [&](auto& ops, OpContext& context, auto& in, auto& out) {
        ops.norm_backward(context, out[0], nullptr, out[1], nullptr, nullptr, 0, in[0], in[1], nullptr, in[2], in[3], n,
                          width);
      };
      const double rows = kRounding * (8 + std::sqrt(static_cast<double>(n)));
      const auto bound = [&](size_t output, size_t i, double expected) {
        if (output > 0) return rows * (std::fabs(expected) + 4 * 4 * std::sqrt(static_cast<double>(n)));
        // Normalised values are at most sqrt(width), and so is their mean product with gradients of about 1.
        return sum * (std::fabs(expected) + std::fabs(static_cast<double>(dx[i])) +
                      40 * saved.outputs[1][i / width] * std::sqrt(static_cast<double>(width)));
      };
      check_op(shape, {dy, x, rstd, weight}, {dx, random.normals(width)}, backward, bound);
    }
  }
}

TEST(rotary_matches_the_reference) {
  Random random(35);
  for (const int64_t head_size : {2, 4, 6, 10, 16, 30, 64, 66, 128}) {
    for (const int64_t heads : {1, 3}) {
      const int64_t sequence = 37;
      const int64_t n = 2 * sequence;
      const int64_t stride = (heads + 1) * head_size + 3;  // what lies behind the rotated heads stays
      const Note note(std::to_string(heads) + " heads of " + std::to_string(head_size));
      const Floats table = random.normals(sequence * head_size);
      for (const bool inverse : {false, true}) {
        check_op(
            kNoScratch, {table}, {random.short_normals(n * stride)},
            [&](auto& ops, OpContext& context, auto& in, auto& out) {
              ops.rotary(context, out[0], in[0], n, sequence, stride, heads, head_size, inverse);
            },
            [](size_t, size_t, double) { return 40 * kRounding; });
      }
    }
  }
}

// Values of the gate up to where its sigmoid saturates, through a product with one column.
TEST(swiglu_matches_the_reference) {
  Random random(36);
  for (const int64_t count : {1, 3, 5, 15, 16, 17, 33, 191, 193, 1537}) {
    const Note note(std::to_string(count));
    Floats gate = random.normals(count, 4);
    const Floats tails{0.0f, -0.0f, 12.0f, -12.0f, 60.0f, -60.0f, 1e-30f};
    std::copy_n(tails.begin(), std::min<int64_t>(count, 7), gate.begin());
    const Floats up = random.normals(count);
    const Floats d = random.normals(count);
    const Floats one{1};
    const ScratchShape shape{1, 1, 1, count, 1};
    // The rounding of the exponent is the relative error of the sigmoid.
    const auto bound = [&](size_t i, double factor) {
      const double x = std::fabs(static_cast<double>(gate[i]));
      return kRounding * (16 + 2 * x) * (1 + x) * std::fabs(factor);
    };
    check_op(
        all_tables(), shape, {one, gate, up}, {poison(count), poison(count), poison(count)},
        [&](auto& ops, OpContext& context, auto& in, auto& out) {
          decltype(out[0] + 0) none = nullptr;
          ops.swiglu_forward(context, out[0], out[1], out[2], in[0], in[1], none, in[2], none, nullptr, 1, count, 1);
        },
        [&](size_t output, size_t i, double) { return output > 0 ? 0.0 : bound(i, up[i]); });
    check_op(
        all_tables(), shape, {one, gate, up, d}, {poison(count), poison(count)},
        [&](auto& ops, OpContext& context, auto& in, auto& out) {
          ops.swiglu_backward(context, out[0], out[1], in[0], in[1], in[2], in[3], nullptr, 1, count, 1, 1);
        },
        [&](size_t output, size_t i, double) { return bound(i, output == 0 ? double(d[i]) * up[i] : double(d[i])); });
  }
}

TEST(embedding_without_positions_is_exact) {
  Random random(37);
  const std::vector<int32_t> tokens{3, 0, 3, 1, 4, 4};
  const int64_t width = 21;
  check_op(
      all_tables(), kNoScratch, {random.integers(5 * width)}, {poison(6 * width)},
      [&](auto& ops, OpContext& context, auto& in, auto& out) {
        decltype(out[0] + 0) none = nullptr;
        ops.embedding_forward(context, out[0], tokens.data(), in[0], none, 2, 3, width);
      },
      [](size_t, size_t, double) { return 0.0; });
  check_op(
      all_tables(), kNoScratch, {random.integers(6 * width)}, {random.integers(5 * width)},
      [&](auto& ops, OpContext& context, auto& in, auto& out) {
        decltype(out[0] + 0) none = nullptr;
        ops.embedding_backward(context, out[0], none, in[0], tokens.data(), 2, 3, width);
      },
      [](size_t, size_t, double) { return 0.0; });
}

TEST(embedding_is_exact) {
  Random random(33);
  for (const int64_t width : kWidths) {
    for (const Shape& shape : {Shape{1, 1}, {3, 7}, {1, 64}, {2, 65}, {5, 40}}) {
      const int64_t batch = shape.rows;
      const int64_t sequence = shape.cols;
      const Note note(std::to_string(batch) + " x " + std::to_string(sequence) + " x " + std::to_string(width));
      const int64_t vocab = random.between(1, 30);
      const int64_t positions = sequence + 3;
      std::vector<int32_t> tokens(batch * sequence);
      for (auto& token : tokens) token = static_cast<int32_t>(random.between(0, vocab - 1));
      // Rows of tokens that do not occur and of positions beyond the sequence take no part.
      std::vector<int32_t> occurring(tokens);
      std::sort(occurring.begin(), occurring.end());
      const ActiveRows used_tokens{"", vocab, 0, occurring};
      ActiveRows used_positions{"", positions, 0, {}};
      for (int64_t t = 0; t < sequence; ++t) used_positions.list.push_back(static_cast<int32_t>(t));
      const auto wte = [&] { return used_tokens.hide_inactive(random.integers(vocab * width), width); };
      const auto wpe = [&] { return used_positions.hide_inactive(random.integers(positions * width), width); };

      check_op(
          all_tables(), kNoScratch, {wte(), wpe()}, {poison(batch * sequence * width)},
          [&](auto& ops, OpContext& context, auto& in, auto& out) {
            ops.embedding_forward(context, out[0], tokens.data(), in[0], in[1], batch, sequence, width);
          },
          exact);
      const auto backward = [&](auto& ops, OpContext& context, auto& in, auto& out) {
        ops.embedding_backward(context, out[0], out[1], in[0], tokens.data(), batch, sequence, width);
      };
      check_op(all_tables(), kNoScratch, {random.integers(batch * sequence * width)}, {wte(), wpe()}, backward, exact);
      // Real numbers: the order of the additions is part of the contract, so threads must not change a bit.
      check_op(all_tables(), kNoScratch, {random.normals(batch * sequence * width)}, {wte(), wpe()}, backward,
               [&](size_t, size_t, double expected) {
                 return kRounding * static_cast<double>(batch * sequence) * (std::fabs(expected) + 8);
               });
    }
  }
}

}  // namespace burgeon::test
