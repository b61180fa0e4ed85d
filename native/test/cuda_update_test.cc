// The CUDA kernels of the norm of gradients and of AdamW, run on the host, against the reference in double.
#include <algorithm>
#include <cmath>

#include "test/cuda_fixture.h"

namespace burgeon::test {

namespace {

constexpr ScratchShape kNoScratch{1, 1, 1, 1, 1};

}  // namespace

TEST(cuda_sum_of_squares_matches_the_reference) {
  Random random(68);
  struct Shape {
    int64_t rows, cols;
  };
  for (const Shape& shape : {Shape{1, 1}, {3, 7}, {5, 64}, {70, 260}, {9, 1001}}) {
    for (const ActiveRows& active : active_rows(random, shape.rows)) {
      const Note note(std::to_string(active.count) + " x " + std::to_string(shape.cols) + ", " + active.name);
      const Floats x = active.hide_inactive(random.normals(active.total * shape.cols), shape.cols);
      Memory in = memory<float>(x);
      OpContext none{};
      const Doubles wide = widen(x);
      double expected = 0;
      const SquaredRows<double> wide_part{wide.data(), active.rows(), active.count, shape.cols};
      const SquaredRows<float> part{in.as<float>(), active.rows(), active.count, shape.cols};
      ref::table<double>().sum_of_squares(none, &expected, {&wide_part, 1});
      Scratch scratch(cuda::sum_of_squares_scratch_bytes(1, active.count * shape.cols));
      double first = 0;
      for (uint64_t seed = 0; seed < 3; ++seed) {
        CUstream_st stream{seed};
        double sum = NAN;
        cuda::sum_of_squares(&stream, &sum, {&part, 1}, PartTable().data(), scratch.data());
        CHECK_NEAR(sum, expected, 4 * kRounding * expected);
        if (seed == 0) first = sum;
        CHECK(sum == first);
      }
      CHECK(scratch.intact());
    }
  }
}

TEST(cuda_adamw_matches_the_reference) {
  Random random(69);
  for (const int64_t cols : {1, 7, 64, 260}) {
    for (const ActiveRows& active : active_rows(random, 9)) {
      const Note note(std::to_string(active.count) + " x " + std::to_string(cols) + ", " + active.name);
      const int64_t size = active.total * cols;
      Floats v = random.normals(size, 0.01f);
      for (float& value : v) value *= value;
      const std::vector<Floats> outputs{
          active.hide_inactive(random.normals(size), cols), active.hide_inactive(random.normals(size, 0.1f), cols),
          active.hide_inactive(random.normals(size, 0.1f), cols), active.hide_inactive(v, cols)};
      enum class Decay { kNone, kAll, kCautious };
      for (const Decay decay : {Decay::kNone, Decay::kAll, Decay::kCautious}) {
        const bool decays = decay != Decay::kNone;
        const AdamWStep step{
            1e-3, 0.9, 0.95, 1e-8, 0.1, 0.3, 1 - std::pow(0.9, 3), 1 - std::pow(0.95, 3), decay == Decay::kCautious};
        const auto part_of = [&](auto* w, auto* g, auto* m, auto* v, bool compact) {
          return AdamWRows<std::remove_pointer_t<decltype(w)>>{w,    g,      m,      v, active.rows(), active.count,
                                                               cols, decays, compact};
        };
        const Expected expected =
            run_reference(kNoScratch, {}, outputs, [&](auto& ops, OpContext& context, auto&, auto& out) {
              const auto part = part_of(out[0], out[1], out[2], out[3], false);
              ops.adamw(context, {&part, 1}, step);
            });
        std::vector<Output> before;
        for (const Floats& values : outputs) before.push_back(output<float>(values));
        const auto bound = [&](size_t which, size_t i, double wanted) {
          const double gradient = step.gradient_scale * outputs[1][i];
          if (which == 1) return 0.0;
          const double moment = std::fabs(0.9 * outputs[2][i]) + std::fabs(0.1 * gradient);
          const double second = 0.95 * outputs[3][i] + 0.05 * gradient * gradient;
          if (which == 2) return 6 * kRounding * moment;
          if (which == 3) return 8 * kRounding * second;
          const double move = step.learning_rate * moment / step.bias_correction1 /
                              (std::sqrt(second / step.bias_correction2) + step.epsilon);
          return kRounding * (3 * std::fabs(wanted) + 16 * move);
        };
        check_kernel(
            expected.outputs, before,
            [&](cuda::Stream stream, std::vector<Memory>& out) {
              const AdamWRows<float> part =
                  part_of(out[0].as<float>(), out[1].as<float>(), out[2].as<float>(), out[3].as<float>(), false);
              cuda::adamw(stream, {&part, 1}, step, PartTable().data());
            },
            bound);
        // The same gradient, compact: it stays.
        Floats compact;
        for (int64_t j = 0; j < active.count; ++j) {
          const int64_t row = active.rows() ? active.rows()[j] : j;
          compact.insert(compact.end(), outputs[1].begin() + row * cols, outputs[1].begin() + (row + 1) * cols);
        }
        std::vector<Doubles> wanted = expected.outputs;
        wanted[1] = widen(compact);
        before[1] = output<float>(compact);
        check_kernel(
            wanted, before,
            [&](cuda::Stream stream, std::vector<Memory>& out) {
              const AdamWRows<float> part =
                  part_of(out[0].as<float>(), out[1].as<float>(), out[2].as<float>(), out[3].as<float>(), true);
              cuda::adamw(stream, {&part, 1}, step, PartTable().data());
            },
            bound);
      }
    }
  }
}

}  // namespace burgeon::test
