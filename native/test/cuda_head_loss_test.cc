// The loss in the epilogue of the head's product, on a device that multiplies by warpgroups, against the reference.
#include <cmath>

#include "test/cuda_fixture.h"

namespace burgeon::test {

namespace {

struct Shape {
  int64_t n, vocab, rows, stride, cols;
};

std::string text(const Shape& shape) {
  return std::to_string(shape.n) + " tokens, " + std::to_string(shape.vocab) + " words of " +
         std::to_string(shape.cols);
}

// Operands on the device, rows of the weight behind the words NaN: nothing of them gets into a sum.
struct Operands {
  Operands(Random& random, const Shape& shape, float size)
      : x(rounded<bfloat16>(random.normals(shape.n * shape.cols, size))),
        w(rounded<bfloat16>(random.normals(shape.rows * shape.cols, 0.5f))),
        targets(static_cast<size_t>(shape.n)) {
    for (auto& target : targets) target = static_cast<int32_t>(random.between(0, shape.vocab - 1));
    if (shape.n > 2) targets[1] = -1;
    targets[0] = static_cast<int32_t>(shape.vocab - 1);
    Floats behind = w;
    for (size_t i = static_cast<size_t>(shape.vocab * shape.cols); i < behind.size(); ++i) behind[i] = NAN;
    x_in = std::make_unique<Memory>(x, Element::kBfloat16);
    w_in = std::make_unique<Memory>(behind, Element::kBfloat16);
  }

  Floats x;
  Floats w;
  std::vector<int32_t> targets;
  std::unique_ptr<Memory> x_in;
  std::unique_ptr<Memory> w_in;
};

void queue(cuda::Stream stream, const Shape& s, Operands& in, float* losses, float* scales, bfloat16* gradient,
           float scale, Scratch& scratch) {
  cuda::head_loss(stream, losses, scales, gradient, in.x_in->as<bfloat16>(), in.w_in->as<bfloat16>(), in.targets.data(),
                  s.n, s.vocab, s.rows, s.stride, s.cols, scale, scratch.data());
}

// One token whose logits are the first column of the weight.
struct Row {
  explicit Row(const Floats& logits) : shape{1, static_cast<int64_t>(logits.size()), 0, 0, 8}, losses(1), scales(1) {
    shape.rows = shape.stride = (shape.vocab + 7) / 8 * 8;
    Floats x(8);
    x[0] = 1;
    Floats w(static_cast<size_t>(shape.rows * 8));
    for (size_t v = 0; v < logits.size(); ++v) w[8 * v] = logits[v];
    Memory x_in(x, Element::kBfloat16);
    Memory w_in(w, Element::kBfloat16);
    Memory stored(poison(shape.rows), Element::kBfloat16);
    Scratch scratch(cuda::head_loss_scratch_bytes(1, shape.rows));
    const Sm90 device;
    CUstream_st stream{1};
    const int32_t target = 3;
    cuda::head_loss(&stream, losses.data(), scales.data(), stored.as<bfloat16>(), x_in.as<bfloat16>(),
                    w_in.as<bfloat16>(), &target, 1, shape.vocab, shape.rows, shape.stride, 8, 1, scratch.data());
    gradient = stored.values();
  }

  Shape shape;
  Floats losses;
  Floats scales;
  Floats gradient;
};

}  // namespace

TEST(cuda_head_loss_matches_the_reference) {
  Random random(68);
  const Sm90 device;
  CHECK(cuda::fuses_head_loss(64) && !cuda::fuses_head_loss(15));
  for (const Shape& s : {Shape{1, 1, 8, 8, 8},
                         {3, 7, 8, 16, 24},
                         {70, 203, 256, 256, 72},
                         {130, 257, 320, 328, 64},
                         {5, 900, 960, 960, 200}}) {
    const Note note(text(s));
    Operands in(random, s, s.cols > 100 ? 0.2f : 0.7f);
    Scratch scratch(cuda::head_loss_scratch_bytes(s.n, s.rows));
    constexpr float kScale = 0.125f;
    const Expected expected =
        run_reference({1, 1, 1, 1, 1}, {in.x, in.w}, {poison(s.n), poison(s.n), poison(s.n * s.rows)},
                      [&](auto& ops, OpContext& context, auto& from, auto& out) {
                        ops.head_loss(context, out[0], out[1], out[2], from[0], from[1], in.targets.data(), s.n,
                                      s.vocab, s.rows, s.rows, s.cols, kScale);
                        ops.scale_rows(context, out[2], out[2], out[1], s.n, s.rows);
                      });
    CHECK(expected.multiply_adds == s.n * s.rows * s.cols);
    const auto bound = [&](size_t which, size_t, double wanted) {
      if (which == 0) return 1e-5 * (1 + std::fabs(wanted));
      return 1e-5 * kScale + 1.01 * rounding_of<bfloat16> * std::fabs(wanted);
    };
    check_kernel(
        {expected.outputs[0], expected.outputs[2]}, {output<float>(poison(s.n)), output<float>(poison(s.n * s.rows))},
        [&](cuda::Stream stream, std::vector<Memory>& out) {
          Memory scales(poison(s.n), Element::kFloat);
          Memory gradient(poison(s.n * s.stride), Element::kBfloat16);
          queue(stream, s, in, out[0].as<float>(), scales.as<float>(), gradient.as<bfloat16>(), kScale, scratch);
          const Floats factors = scales.values();
          const Floats values = gradient.values();
          CHECK(scales.intact() && gradient.intact());
          for (int64_t i = 0; i < s.n; ++i) {
            for (int64_t v = 0; v < s.stride; ++v) {
              const float value = values[i * s.stride + v];
              if (v >= s.rows) CHECK(std::isnan(value));
              if (v < s.rows) out[1].as<float>()[i * s.rows + v] = factors[i] * value;
            }
          }
        },
        bound);
    // Evaluation gives the same losses and touches nothing else.
    Memory losses(poison(s.n), Element::kFloat);
    Memory trained(poison(s.n), Element::kFloat);
    Memory scales(poison(s.n), Element::kFloat);
    Memory gradient(poison(s.n * s.stride), Element::kBfloat16);
    const Memory untouched(poison(s.n), Element::kFloat);
    CUstream_st stream{2};
    queue(&stream, s, in, losses.as<float>(), scales.as<float>(), gradient.as<bfloat16>(), 0, scratch);
    CHECK(scales.same_bits(untouched));
    for (const float value : gradient.values()) CHECK(std::isnan(value));
    queue(&stream, s, in, trained.as<float>(), scales.as<float>(), gradient.as<bfloat16>(), kScale, scratch);
    CHECK(losses.same_bits(trained));
    CHECK(scratch.intact());
  }
}

TEST(cuda_scale_rows_matches_the_reference) {
  Random random(69);
  constexpr int64_t n = 37;
  constexpr int64_t cols = 72;
  const Floats x = rounded<bfloat16>(random.normals(n * cols));
  const Floats scales = random.normals(n);
  Memory x_in(x, Element::kBfloat16);
  Memory scales_in(scales, Element::kFloat);
  for (const bool in_place : {false, true}) {
    const Expected expected = run_reference({1, 1, 1, 1, 1}, {x, scales}, {poison(n * cols)},
                                            [&](auto& ops, OpContext& context, auto& in, auto& out) {
                                              ops.scale_rows(context, out[0], in[0], in[1], n, cols);
                                            });
    check_kernel(
        expected.outputs, {output<bfloat16>(in_place ? x : poison(n * cols))},
        [&](cuda::Stream stream, std::vector<Memory>& out) {
          bfloat16* const y = out[0].as<bfloat16>();
          cuda::scale_rows(stream, y, in_place ? y : x_in.as<bfloat16>(), scales_in.as<float>(), n, cols);
        },
        [](size_t, size_t, double wanted) { return 1.01 * rounding_of<bfloat16> * std::fabs(wanted); });
  }
}

TEST(cuda_head_loss_of_extreme_logits) {
  // Far below the others, the target's loss is what the largest says; far above, nothing is left.
  for (const float largest : {-80.0f, -20.0f, 0.0f, 20.0f, 70.0f}) {
    const Note note(std::to_string(largest));
    Floats logits(300);
    logits[3] = 0;
    for (size_t v = 0; v < 300; ++v) {
      if (v != 3) logits[v] = largest == 0 ? 0 : -200;
    }
    logits[260] = largest;
    const Row row(logits);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    const double loss = std::log(sum);
    CHECK_NEAR(row.losses[0], loss, 1e-5 * (1 + loss));
    const auto near = [&](size_t v, double wanted) {
      CHECK_NEAR(row.scales[0] * row.gradient[v], wanted, 1e-6 + std::fabs(wanted) / 128);
    };
    near(3, 1 / sum - 1);
    near(260, std::exp(static_cast<double>(largest)) / sum);
  }
  // Beyond what bfloat16 can tell apart, but finite, and still down the same slope.
  Floats logits(300);
  logits[7] = 500;
  const Row row(logits);
  CHECK(row.losses[0] > 74 && std::isfinite(row.losses[0]));
  CHECK_NEAR(row.scales[0] * row.gradient[7], 1, 1e-2);
  CHECK_NEAR(row.scales[0] * row.gradient[3], -1, 1e-2);
}

TEST(cuda_head_loss_shows_a_logit_that_is_not_a_number) {
  for (const size_t position : {size_t{0}, size_t{3}, size_t{299}}) {
    Floats logits(300, 0.5f);
    logits[position] = NAN;
    CHECK(std::isnan(Row(logits).losses[0]));
  }
}

}  // namespace burgeon::test
