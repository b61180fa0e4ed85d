// The CUDA kernels of activations, run on the host, against the reference in double.
#include <algorithm>
#include <cmath>

#include "test/cuda_fixture.h"

namespace burgeon::test {

namespace {

// Values up to where the sigmoid saturates, through the reference's product with one column.
Floats with_tails(Floats x) {
  const Floats tails{0.0f, -0.0f, 12.0f, -12.0f, 60.0f, -60.0f, 1e-30f, 3.0f};
  std::copy_n(tails.begin(), std::min(x.size(), tails.size()), x.begin());
  return x;
}

}  // namespace

TEST(cuda_gelu_matches_the_reference) {
  Random random(65);
  for (const int64_t count : {1, 7, 8, 9, 33, 2051}) {
    const Note note(std::to_string(count));
    for_both_types([&](auto type) {
      using T = decltype(type);
      const Floats x = rounded<T>(with_tails(random.normals(count, 4)));
      const Floats d = rounded<T>(random.normals(count));
      const Floats one{1};
      Memory pre = memory<T>(x);
      // The rounding of the exponent is the relative error of the sigmoid.
      const auto bound = [&](size_t i, double factor) {
        const double v = std::fmin(10, std::fabs(x[i]));
        return kRounding * (16 + 8 * v * v * v) * (1 + std::fabs(x[i])) * std::fabs(factor);
      };
      const Expected forward =
          run_reference({1, 1, 1, count, 1}, {one, x}, {poison(count), poison(count)},
                        [&](auto& ops, OpContext& context, auto& in, auto& out) {
                          decltype(out[0] + 0) none = nullptr;
                          ops.mlp_forward(context, out[0], out[1], in[0], in[1], none, nullptr, 1, count, 1);
                        });
      check_kernel(
          {forward.outputs[0]}, {output<T>(poison(count))},
          [&](cuda::Stream stream, std::vector<Memory>& out) {
            cuda::gelu_forward(stream, out[0].as<T>(), pre.as<T>(), count);
          },
          [&](size_t, size_t i, double wanted) { return bound(i, 1) + rounding_of<T> * std::fabs(wanted); });
      const Expected backward = run_reference(
          {1, 1, 1, count, 1}, {one, x, d}, {poison(count)}, [&](auto& ops, OpContext& context, auto& in, auto& out) {
            ops.mlp_backward(context, out[0], in[0], in[1], in[2], nullptr, 1, count, 1, 1);
          });
      check_kernel(
          backward.outputs, {output<T>(d)},
          [&](cuda::Stream stream, std::vector<Memory>& out) {
            cuda::gelu_backward(stream, out[0].as<T>(), pre.as<T>(), count);
          },
          [&](size_t, size_t i, double wanted) { return 4 * bound(i, d[i]) + rounding_of<T> * std::fabs(wanted); });
    });
  }
}

TEST(cuda_swiglu_matches_the_reference) {
  Random random(66);
  struct Shape {
    int64_t n, width, gap;
  };
  for (const Shape& shape : {Shape{1, 1, 0}, {3, 8, 0}, {2, 24, 24}, {5, 33, 33}, {2, 264, 8}}) {
    const int64_t count = shape.n * shape.width;
    const int64_t stride = shape.width + shape.gap;
    const Note note(std::to_string(shape.n) + " x " + std::to_string(shape.width));
    for_both_types([&](auto type) {
      using T = decltype(type);
      const Floats gate = rounded<T>(with_tails(random.normals(count, 4)));
      const Floats up = rounded<T>(random.normals(count));
      const Floats d = rounded<T>(random.normals(count));
      const Floats one{1};
      // In rows of `stride`, with what lies between them untouched.
      const auto strided = [&](const auto& values, auto between) {
        auto wide = values;
        wide.assign(shape.n * stride, between);
        for (int64_t i = 0; i < count; ++i) wide[i / shape.width * stride + i % shape.width] = values[i];
        return wide;
      };
      Memory gate_in = memory<T>(strided(gate, 7.0f));
      Memory up_in = memory<T>(strided(up, 7.0f));
      Memory d_in = memory<T>(d);
      const ScratchShape scratch{1, 1, 1, count, 1};
      const auto bound = [&](size_t i, double factor) {
        const double x = std::fabs(static_cast<double>(gate[i]));
        return kRounding * (16 + 2 * x) * (1 + x) * std::fabs(factor);
      };
      const Expected forward = run_reference(scratch, {one, gate, up}, {poison(count), poison(count), poison(count)},
                                             [&](auto& ops, OpContext& context, auto& in, auto& out) {
                                               decltype(out[0] + 0) none = nullptr;
                                               ops.swiglu_forward(context, out[0], out[1], out[2], in[0], in[1], none,
                                                                  in[2], none, nullptr, 1, count, 1);
                                             });
      check_kernel(
          {forward.outputs[0]}, {output<T>(poison(count))},
          [&](cuda::Stream stream, std::vector<Memory>& out) {
            cuda::swiglu_forward(stream, out[0].as<T>(), gate_in.as<T>(), up_in.as<T>(), shape.n, shape.width, stride);
          },
          [&](size_t, size_t i, double wanted) { return bound(i, up[i]) + rounding_of<T> * std::fabs(wanted); });
      const Expected backward = run_reference(scratch, {one, gate, up, d}, {poison(count), poison(count)},
                                              [&](auto& ops, OpContext& context, auto& in, auto& out) {
                                                ops.swiglu_backward(context, out[0], out[1], in[0], in[1], in[2], in[3],
                                                                    nullptr, 1, count, 1, 1);
                                              });
      // In place of gate and up, and into arrays of their own.
      for (const bool in_place : {false, true}) {
        const Floats before_gate = in_place ? gate : poison(count);
        const Floats before_up = in_place ? up : poison(count);
        check_kernel(
            {strided(backward.outputs[0], std::nan("")), strided(backward.outputs[1], std::nan(""))},
            {output<T>(strided(before_gate, 3.0f)), output<T>(strided(before_up, 3.0f))},
            [&](cuda::Stream stream, std::vector<Memory>& out) {
              cuda::swiglu_backward(stream, out[0].as<T>(), out[1].as<T>(), d_in.as<T>(),
                                    in_place ? out[0].as<T>() : gate_in.as<T>(),
                                    in_place ? out[1].as<T>() : up_in.as<T>(), shape.n, shape.width, stride);
            },
            [&](size_t which, size_t at, double wanted) {
              const size_t i = at / stride * shape.width + at % stride;
              return bound(i, which == 0 ? double(d[i]) * up[i] : double(d[i])) + rounding_of<T> * std::fabs(wanted);
            });
      }
    });
  }
}

}  // namespace burgeon::test
