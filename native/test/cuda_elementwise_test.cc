// The CUDA kernels around the products, run on the host, against the reference in double.
#include <algorithm>
#include <cmath>

#include "test/cuda_fixture.h"

namespace burgeon::test {

namespace {

constexpr ScratchShape kNoScratch{1, 1, 1, 1, 1};

// Widths that are read element by element, in whole vectors of either type, and beyond one sweep of a warp.
constexpr int64_t kWidths[] = {1, 7, 12, 64, 264, 515};

}  // namespace

TEST(cuda_gather_and_scatter_are_exact) {
  Random random(61);
  for (const int64_t cols : kWidths) {
    for (const ActiveRows& active : active_rows(random, 5)) {
      const Note note(std::to_string(cols) + " columns, " + active.name);
      const Floats dense = active.hide_inactive(random.normals(active.total * cols), cols);
      Memory from = memory<float>(dense);
      const Floats compact = random.normals(active.count * cols);
      Doubles gathered;
      Doubles scattered = widen(dense);
      for (int64_t j = 0; j < active.count; ++j) {
        const int64_t row = active.rows() ? active.rows()[j] : j;
        for (int64_t c = 0; c < cols; ++c) {
          gathered.push_back(dense[row * cols + c]);
          scattered[row * cols + c] = dense[row * cols + c] + compact[j * cols + c];
        }
      }
      for_both_types([&](auto type) {
        using T = decltype(type);
        Doubles expected = gathered;
        for (double& value : expected) value = sizeof(T) == 4 ? value : to_float(to_bfloat16(value));
        check_kernel(
            {expected}, {output<T>(poison(active.count * cols))},
            [&](cuda::Stream stream, std::vector<Memory>& out) {
              const GatheredRows<T, float> part{out[0].as<T>(), from.as<float>(), active.rows(), active.count, cols};
              cuda::gather_cast<T>(stream, {&part, 1}, PartTable().data());
            },
            exact);
      });
      Memory added = memory<float>(compact);
      check_kernel(
          {scattered}, {output<float>(dense)},
          [&](cuda::Stream stream, std::vector<Memory>& out) {
            const ScatteredRows<float> part{out[0].as<float>(), added.as<float>(), active.rows(), active.count, cols};
            cuda::scatter_add(stream, {&part, 1}, PartTable().data());
          },
          exact);
    }
  }
}

// More parts than a table holds, of sizes below and above that of a block, some in vectors and some not.
TEST(cuda_parts_are_worked_on_each_once) {
  Random random(70);
  constexpr int64_t kParts = 3000;
  std::vector<int64_t> sizes;
  int64_t total = 0;
  for (int64_t i = 0; i < kParts; ++i) {
    sizes.push_back(i % 500 == 7 ? random.between(8000, 20000) : random.between(1, 12));
    total += sizes.back();
  }
  const Floats added = random.normals(total);
  const Floats before = random.normals(total);
  Memory from = memory<float>(added);
  Doubles sum;
  for (int64_t i = 0; i < total; ++i) sum.push_back(before[i] + added[i]);
  check_kernel(
      {sum, widen(added)}, {output<float>(before), output<float>(poison(total))},
      [&](cuda::Stream stream, std::vector<Memory>& out) {
        std::vector<ScatteredRows<float>> scattered;
        std::vector<GatheredRows<float, float>> gathered;
        int64_t at = 0;
        for (const int64_t size : sizes) {
          scattered.push_back({out[0].as<float>() + at, from.as<float>() + at, nullptr, 1, size});
          gathered.push_back({out[1].as<float>() + at, from.as<float>() + at, nullptr, size, 1});
          at += size;
        }
        PartTable table;
        cuda::scatter_add(stream, {scattered.data(), kParts}, table.data());
        cuda::gather_cast<float>(stream, {gathered.data(), kParts}, table.data());
      },
      exact);
  std::vector<SquaredRows<float>> squared;
  std::vector<double> expected;
  int64_t at = 0;
  for (const int64_t size : sizes) {
    squared.push_back({from.as<float>() + at, nullptr, 1, size});
    expected.push_back(0);
    for (int64_t i = 0; i < size; ++i, ++at) expected.back() += static_cast<double>(added[at]) * added[at];
  }
  PartTable table;
  Scratch scratch(cuda::sum_of_squares_scratch_bytes(kParts, total));
  std::vector<double> sums(kParts, NAN);
  CUstream_st stream{1};
  cuda::sum_of_squares(&stream, sums.data(), {squared.data(), kParts}, table.data(), scratch.data());
  CHECK(scratch.intact());
  for (int64_t i = 0; i < kParts; ++i) CHECK_NEAR(sums[i], expected[i], 4 * kRounding * expected[i]);
}

TEST(cuda_embedding_matches_the_reference) {
  Random random(62);
  struct Shape {
    int64_t batch, sequence, vocab;
  };
  for (const int64_t width : kWidths) {
    for (const Shape& shape : {Shape{1, 1, 1}, {3, 7, 5}}) {
      const Note note(std::to_string(shape.batch) + " x " + std::to_string(shape.sequence) + " x " +
                      std::to_string(width));
      const int64_t n = shape.batch * shape.sequence;
      std::vector<int32_t> tokens(n);
      for (auto& token : tokens) token = static_cast<int32_t>(random.between(0, shape.vocab - 1));
      std::vector<int32_t> order(cuda::token_order_words(n));
      std::vector<int32_t> counts(shape.vocab + 1);
      cuda::order_tokens(order.data(), tokens.data(), n, counts.data(), shape.vocab);
      const Floats wte = random.normals(shape.vocab * width);
      const Floats wpe = random.normals(shape.sequence * width);
      Memory table = memory<float>(wte);
      Memory positions = memory<float>(wpe);
      for_both_types([&](auto type) {
        using T = decltype(type);
        for (const bool positional : {false, true}) {
          const Expected forward = run_reference(
              kNoScratch, {wte, wpe}, {poison(n * width)}, [&](auto& ops, OpContext& context, auto& in, auto& out) {
                ops.embedding_forward(context, out[0], tokens.data(), in[0], positional ? in[1] : nullptr, shape.batch,
                                      shape.sequence, width);
              });
          check_kernel(
              forward.outputs, {output<T>(poison(n * width))},
              [&](cuda::Stream stream, std::vector<Memory>& out) {
                cuda::embedding_forward(stream, out[0].as<T>(), tokens.data(), table.as<float>(),
                                        positional ? positions.as<float>() : nullptr, shape.batch, shape.sequence,
                                        width);
              },
              [](size_t, size_t, double expected) { return (1.01 * rounding_of<T>)*std::fabs(expected); });
          const Floats gradient = rounded<T>(random.normals(n * width));
          Memory dx = memory<T>(gradient);
          const std::vector<Floats> initial{wte, wpe};
          const Expected backward =
              run_reference(kNoScratch, {gradient}, initial, [&](auto& ops, OpContext& context, auto& in, auto& out) {
                ops.embedding_backward(context, out[0], positional ? out[1] : nullptr, in[0], tokens.data(),
                                       shape.batch, shape.sequence, width);
              });
          check_kernel(
              backward.outputs, {output<float>(wte), output<float>(wpe)},
              [&](cuda::Stream stream, std::vector<Memory>& out) {
                cuda::embedding_backward(stream, out[0].as<float>(), positional ? out[1].as<float>() : nullptr,
                                         dx.as<T>(), order.data(), shape.batch, shape.sequence, width);
              },
              [&](size_t, size_t, double) { return kRounding * 4 * static_cast<double>(n + 1); });
        }
      });
    }
  }
}

namespace {

// The gradient of what `forward` says of x, with and without that of a bias added to x.
template <class T>
void check_norm_backward(Random& random, int64_t n, int64_t width, bool centred, const Floats& x, const Floats& weight,
                         const Floats& bias, const Expected& forward) {
  Memory in = memory<T>(x);
  Memory w = memory<float>(weight);
  const double sums = std::sqrt(static_cast<double>(width)) + 16;
  const Floats dy = rounded<T>(random.normals(n * width));
  const Floats residual = rounded<T>(random.normals(n * width));
  const Floats shift_gradient = random.normals(width);
  const Floats mean(forward.outputs[1].begin(), forward.outputs[1].end());
  const Floats rstd(forward.outputs[2].begin(), forward.outputs[2].end());
  Memory grad = memory<T>(dy);
  Memory mean_in = memory<float>(mean);
  Memory rstd_in = memory<float>(rstd);
  const std::vector<Floats> initial{residual, weight, bias, shift_gradient};
  Scratch scratch(cuda::norm_backward_scratch_bytes(n, width));
  for (const bool shifted : {true, false}) {
    if (!shifted && n > 100) continue;
    const Note of_shift(shifted ? "with the gradient of a shift" : "without");
    const Expected backward = run_reference(
        kNoScratch, {dy, x, mean, rstd, weight}, initial, [&](auto& ops, OpContext& context, auto& op_in, auto& out) {
          ops.norm_backward(context, out[0], nullptr, out[1], centred ? out[2] : nullptr, shifted ? out[3] : nullptr,
                            0.75f, op_in[0], op_in[1], centred ? op_in[2] : nullptr, op_in[3], op_in[4], n, width);
        });
    check_kernel(
        backward.outputs,
        {output<T>(residual), output<float>(weight), output<float>(bias), output<float>(shift_gradient)},
        [&](cuda::Stream stream, std::vector<Memory>& out) {
          cuda::norm_backward(stream, out[0].as<T>(), out[1].as<float>(), centred ? out[2].as<float>() : nullptr,
                              shifted ? out[3].as<float>() : nullptr, 0.75f, grad.as<T>(), in.as<T>(),
                              centred ? mean_in.as<float>() : nullptr, rstd_in.as<float>(), w.as<float>(), n, width,
                              scratch.data());
        },
        [&](size_t which, size_t, double expected) {
          if (which == 0) {
            return kRounding * sums * 64 + rounding_of<T> * std::fabs(expected);
          }
          // Where the pass does not add up dx itself, what is added is rounded; the roundings are independent.
          const double rounded = which == 3 ? 8 * rounding_of<T> * std::sqrt(static_cast<double>(n)) : 0;
          return rounded + kRounding * 64 * static_cast<double>(n + 4);
        });
    CHECK(scratch.intact());
  }
}

}  // namespace

TEST(cuda_norm_matches_the_reference) {
  Random random(63);
  // In vectors, the gradient of bfloat16 is one pass of at most eight sweeps of a warp: 1 (64), 2 (264, 512), 3 (768),
  // 4 (1024), 6 (1400) and 8 (2048); beyond and for float it is two passes. Of 9 rows a warp has two, of 4300 three.
  for (const int64_t width : {1, 7, 12, 64, 264, 512, 515, 768, 1024, 1400, 2048, 2056}) {
    for (const int64_t n : {1, 3, 9, 130, 4300}) {
      if (n > 1000 ? width != 264 : n > 9 && width > 64) continue;
      const Note note(std::to_string(n) + " x " + std::to_string(width));
      for (const bool centred : {false, true}) {
        for_both_types([&](auto type) {
          using T = decltype(type);
          if (n > 1000 && (!centred || sizeof(T) == 4)) return;
          const Floats x = rounded<T>(random.normals(n * width, 2, 1));
          const Floats weight = random.normals(width, 0.5f, 1);
          const Floats bias = random.normals(width);
          Memory in = memory<T>(x);
          Memory w = memory<float>(weight);
          Memory b = memory<float>(bias);
          const std::vector<Floats> outputs{poison(n * width), poison(n), poison(n)};
          const Expected forward = run_reference(
              kNoScratch, {x, weight, bias}, outputs, [&](auto& ops, OpContext& context, auto& op_in, auto& out) {
                ops.norm_forward(context, out[0], centred ? out[1] : nullptr, out[2], op_in[0], op_in[1],
                                 centred ? op_in[2] : nullptr, n, width, 1e-5f);
              });
          const double sums = std::sqrt(static_cast<double>(width)) + 16;
          check_kernel(
              forward.outputs, {output<T>(outputs[0]), output<float>(outputs[1]), output<float>(outputs[2])},
              [&](cuda::Stream stream, std::vector<Memory>& out) {
                cuda::norm_forward(stream, out[0].as<T>(), centred ? out[1].as<float>() : nullptr, out[2].as<float>(),
                                   in.as<T>(), w.as<float>(), centred ? b.as<float>() : nullptr, n, width, 1e-5f);
              },
              [&](size_t which, size_t, double expected) {
                // One column is its own mean: what is left is rounding, scaled by 1 / sqrt(epsilon).
                const double scale = width == 1 ? 400 : 8;
                return kRounding * sums * (scale + std::fabs(expected)) +
                       (which == 0 ? rounding_of<T> * std::fabs(expected) : 0);
              });
          // The gradient of one column is rounding alone.
          if (width > 1) check_norm_backward<T>(random, n, width, centred, x, weight, bias, forward);
        });
      }
    }
  }
}

TEST(cuda_rotary_matches_the_reference) {
  Random random(64);
  struct Shape {
    int64_t sequence, heads, head_size, behind;
  };
  for (const Shape& shape : {Shape{1, 1, 2, 0}, {5, 3, 6, 1}, {4, 2, 16, 8}, {3, 3, 64, 64}, {3, 2, 32, 5}}) {
    const int64_t n = 2 * shape.sequence;
    const int64_t stride = shape.heads * shape.head_size + shape.behind;
    const Note note(std::to_string(shape.heads) + " heads of " + std::to_string(shape.head_size));
    const Floats table = random.normals(shape.sequence * shape.head_size);
    Memory turns = memory<float>(table);
    for_both_types([&](auto type) {
      using T = decltype(type);
      const Floats x = rounded<T>(random.normals(n * stride));
      for (const bool inverse : {false, true}) {
        const Expected expected =
            run_reference(kNoScratch, {table}, {x}, [&](auto& ops, OpContext& context, auto& in, auto& out) {
              ops.rotary(context, out[0], in[0], n, shape.sequence, stride, shape.heads, shape.head_size, inverse);
            });
        check_kernel(
            expected.outputs, {output<T>(x)},
            [&](cuda::Stream stream, std::vector<Memory>& out) {
              cuda::rotary(stream, out[0].as<T>(), turns.as<float>(), n, shape.sequence, stride, shape.heads,
                           shape.head_size, inverse);
            },
            [](size_t, size_t, double wanted) { return 40 * kRounding + rounding_of<T> * std::fabs(wanted); });
      }
    });
  }
}

TEST(cuda_cross_entropy_matches_the_reference) {
  Random random(67);
  for (const int64_t vocab : {1, 7, 65, 513, 4100}) {
    const int64_t n = vocab > 1000 ? 1 : 3;
    for (const int64_t stride : {vocab, (vocab + 15) / 8 * 8}) {
      const Note note(std::to_string(vocab) + " logits in rows of " + std::to_string(stride));
      std::vector<int32_t> targets(n);
      for (auto& target : targets) target = static_cast<int32_t>(random.between(0, vocab - 1));
      if (n > 2) targets[1] = -1;
      for_both_types([&](auto type) {
        using T = decltype(type);
        Floats logits = rounded<T>(random.normals(n * vocab, 3));
        if (vocab > 7) logits[0] = -INFINITY;  // a masked token
        if (targets[0] == 0) targets[0] = static_cast<int32_t>(vocab - 1);
        Floats padded = poison(n * stride);
        for (int64_t i = 0; i < n * vocab; ++i) padded[i / vocab * stride + i % vocab] = logits[i];
        for (const float scale : {0.0f, 0.125f}) {
          const Expected expected =
              run_reference(kNoScratch, {}, {poison(n), logits}, [&](auto& ops, OpContext& context, auto&, auto& out) {
                ops.cross_entropy(context, out[0], out[1], targets.data(), n, vocab, vocab, scale);
              });
          Doubles wide(n * stride, std::nan(""));
          for (int64_t i = 0; i < n * vocab; ++i) wide[i / vocab * stride + i % vocab] = expected.outputs[1][i];
          check_kernel(
              {expected.outputs[0], wide}, {output<float>(poison(n)), output<T>(padded)},
              [&](cuda::Stream stream, std::vector<Memory>& out) {
                cuda::cross_entropy(stream, out[0].as<float>(), out[1].as<T>(), targets.data(), n, vocab, stride,
                                    scale);
              },
              [&](size_t which, size_t, double wanted) {
                const double terms = 40 + std::sqrt(static_cast<double>(vocab));
                if (which == 0) return kRounding * (terms + std::fabs(wanted));
                if (scale == 0) return 0.0;
                return kRounding * terms * scale + 1.01 * rounding_of<T> * std::fabs(wanted);
              });
        }
      });
    }
  }
}

TEST(cuda_cross_entropy_shows_a_logit_that_is_not_finite) {
  CUstream_st stream{1};
  for (const float bad : {static_cast<float>(NAN), static_cast<float>(INFINITY)}) {
    for (const int64_t position : {0, 5, 699}) {
      Floats logits(700, 0.5f);
      logits[position] = bad;
      Memory row = memory<float>(logits);
      Floats loss(1);
      const int32_t target = 3;
      cuda::cross_entropy(&stream, loss.data(), row.as<float>(), &target, 1, 700, 700, 1.0f);
      CHECK(!std::isfinite(loss[0]));
    }
  }
}

}  // namespace burgeon::test
