// Products of the CUDA backend, run on the host: tensor-core tiles and the plain kernel, all epilogues, odd sizes.
#include <cmath>

#include "kernels/cuda/product.cuh"
#include "test/cuda_fixture.h"

namespace burgeon::test {

namespace {

constexpr ScratchShape kNoScratch{1, 1, 1, 1, 1};

struct Shape {
  int64_t n, rows, cols;
};

// Multiples of 8 in rows of bfloat16 go to tensor cores, in one or more tiles of 128 x 128 x 32; the others do not.
constexpr Shape kShapes[] = {{1, 1, 1},   {3, 5, 7},     {9, 33, 17},    {65, 70, 66}, {1, 8, 8},
                             {5, 16, 40}, {130, 72, 24}, {20, 264, 136}, {70, 24, 72}};

std::string text(const Shape& shape) {
  return std::to_string(shape.n) + " x " + std::to_string(shape.rows) + " x " + std::to_string(shape.cols);
}

// A sum of `terms` products of normal numbers in float, rounded to T in the end.
template <class T>
double product_bound(int64_t terms, double expected) {
  return kRounding * (8 + 4 * static_cast<double>(terms)) + 1.01 * rounding_of<T> * std::fabs(expected);
}

// call(T{}) for both types of activations, and for bfloat16 also on a device that multiplies by warpgroups.
template <class Call>
void for_all_kernels(Call call) {
  for_both_types(call);
  const Note note("bfloat16, sm_90");
  const Sm90 device;
  call(bfloat16{});
}

// Rows of `stride`, with `between` behind their `width` elements.
template <class Values>
Values in_rows(const Values& values, int64_t width, int64_t stride, typename Values::value_type between) {
  const int64_t count = static_cast<int64_t>(values.size());
  Values wide(count / width * stride, between);
  for (int64_t i = 0; i < count; ++i) wide[i / width * stride + i % width] = values[i];
  return wide;
}

}  // namespace

TEST(cuda_linear_expand_matches_the_reference) {
  Random random(71);
  for (const Shape& shape : kShapes) {
    const Note note(text(shape));
    for_all_kernels([&](auto type) {
      using T = decltype(type);
      const Floats x = rounded<T>(random.normals(shape.n * shape.cols));
      const Floats w = rounded<T>(random.normals(shape.rows * shape.cols));
      const Floats bias = random.normals(shape.rows);
      Memory x_in = memory<T>(x);
      Memory w_in = memory<T>(w);
      Memory bias_in = memory<float>(bias);
      for (const bool biased : {false, true}) {
        const Expected expected =
            run_reference(kNoScratch, {x, w, bias}, {poison(shape.n * shape.rows)},
                          [&](auto& ops, OpContext& context, auto& in, auto& out) {
                            ops.linear_expand(context, out[0], shape.rows, in[0], in[1], biased ? in[2] : nullptr,
                                              nullptr, shape.n, shape.rows, shape.cols, 0.75f);
                          });
        const int64_t wider = biased ? shape.rows + 3 : (shape.rows + 15) / 8 * 8;
        for (const int64_t stride : {shape.rows, wider}) {
          check_kernel(
              {in_rows(expected.outputs[0], shape.rows, stride, std::nan(""))}, {output<T>(poison(shape.n * stride))},
              [&](cuda::Stream stream, std::vector<Memory>& out) {
                cuda::linear_expand(stream, out[0].as<T>(), stride, x_in.as<T>(), w_in.as<T>(),
                                    biased ? bias_in.as<float>() : nullptr, shape.n, shape.rows, shape.cols, 0.75f);
              },
              [&](size_t, size_t, double wanted) { return product_bound<T>(shape.cols, wanted); });
        }
      }
    });
  }
}

TEST(cuda_linear_contract_matches_the_reference) {
  Random random(72);
  for (const Shape& shape : kShapes) {
    const Note note(text(shape));
    for_all_kernels([&](auto type) {
      using T = decltype(type);
      const Floats x = rounded<T>(random.normals(shape.n * shape.rows));
      const Floats w = rounded<T>(random.normals(shape.rows * shape.cols));
      const Floats bias = random.normals(shape.cols);
      const Floats residual = rounded<T>(random.normals(shape.n * shape.cols));
      const int64_t stride = (shape.rows + 7) / 8 * 8;
      // What lies between rows must not get into the sum.
      Memory x_in = memory<T>(in_rows(x, shape.rows, stride, NAN));
      Memory w_in = memory<T>(w);
      Memory bias_in = memory<float>(bias);
      for (const bool added : {false, true}) {
        const Expected expected = run_reference(
            kNoScratch, {x, w, bias}, {residual}, [&](auto& ops, OpContext& context, auto& in, auto& out) {
              ops.linear_contract(context, out[0], in[0], shape.rows, in[1], added ? in[2] : nullptr,
                                  added ? out[0] : nullptr, nullptr, shape.n, shape.rows, shape.cols, 1.5f, 0.5f);
            });
        check_kernel(
            expected.outputs, {output<T>(added ? residual : poison(shape.n * shape.cols))},
            [&](cuda::Stream stream, std::vector<Memory>& out) {
              cuda::linear_contract(stream, out[0].as<T>(), x_in.as<T>(), stride, w_in.as<T>(),
                                    added ? bias_in.as<float>() : nullptr, added ? out[0].as<T>() : nullptr, shape.n,
                                    shape.rows, shape.cols, 1.5f, 0.5f);
            },
            [&](size_t, size_t, double wanted) { return product_bound<T>(2 * shape.rows, wanted); });
      }
    });
  }
}

namespace {

template <class T>
void check_gradients(Random& random, const Shape& shape, const std::vector<float>& betas = {0, 1}) {
  const Note note(text(shape));
  const Floats p = rounded<T>(random.normals(shape.n * shape.rows));
  const Floats q = rounded<T>(random.normals(shape.n * shape.cols));
  const int64_t stride = (shape.rows + 7) / 8 * 8;
  Memory p_in = memory<T>(in_rows(p, shape.rows, stride, NAN));
  Memory q_in = memory<T>(q);
  Scratch scratch(cuda::linear_weight_gradient_scratch_bytes(shape.n, shape.rows, shape.cols));
  Scratch bias_scratch(cuda::linear_bias_gradient_scratch_bytes(shape.n, shape.rows));
  const auto bound = [&](size_t, size_t, double wanted) { return product_bound<float>(2 * shape.n, wanted); };
  for (const float beta : betas) {
    const Floats dw = beta == 0 ? Floats(shape.rows * shape.cols) : random.normals(shape.rows * shape.cols);
    const Floats db = beta == 0 ? Floats(shape.rows) : random.normals(shape.rows);
    const Expected expected =
        run_reference(kNoScratch, {p, q}, {dw, db}, [&](auto& ops, OpContext& context, auto& in, auto& out) {
          ops.linear_weight_gradient(context, out[0], out[1], in[0], shape.rows, in[1], nullptr, shape.n, shape.rows,
                                     shape.cols, 1.25f, false);
        });
    check_kernel(
        expected.outputs,
        {output<float>(beta == 0 ? poison(shape.rows * shape.cols) : dw),
         output<float>(beta == 0 ? poison(shape.rows) : db)},
        [&](cuda::Stream stream, std::vector<Memory>& out) {
          cuda::linear_weight_gradient(stream, out[0].as<float>(), p_in.as<T>(), stride, q_in.as<T>(), shape.n,
                                       shape.rows, shape.cols, 1.25f, beta, scratch.data());
          cuda::linear_bias_gradient(stream, out[1].as<float>(), p_in.as<T>(), stride, shape.n, shape.rows, 1, beta,
                                     bias_scratch.data());
        },
        bound);
  }
  CHECK(scratch.intact());
  CHECK(bias_scratch.intact());
}

}  // namespace

TEST(cuda_linear_gradients_match_the_reference) {
  Random random(73);
  for (const Shape& shape : kShapes) {
    for_all_kernels([&](auto type) { check_gradients<decltype(type)>(random, shape); });
  }
}

TEST(cuda_linear_weight_gradient_cuts_many_tokens) {
  Random random(74);
  CHECK(cuda::linear_weight_gradient_scratch_bytes(2049, 8, 16) == 2 * 8 * 16 * sizeof(float));
  CHECK(cuda::linear_weight_gradient_scratch_bytes(2049, 16 * 128, 16 * 128) == 0);
  check_gradients<bfloat16>(random, {2049, 8, 16}, {1});
  const Sm90 device;
  check_gradients<bfloat16>(random, {2049, 8, 16}, {1});
}

TEST(cuda_mlp_products_match_the_reference) {
  Random random(75);
  for (const Shape& shape : {Shape{3, 5, 7}, {20, 136, 40}}) {
    const Note note(text(shape));
    for_all_kernels([&](auto type) {
      using T = decltype(type);
      const Floats x = rounded<T>(random.normals(shape.n * shape.cols));
      const Floats w = rounded<T>(random.normals(shape.rows * shape.cols, 0.3f));
      const Floats bias = random.normals(shape.rows);
      const Floats pre = rounded<T>(random.normals(shape.n * shape.rows, 2));
      const int64_t count = shape.n * shape.rows;
      Memory x_in = memory<T>(x);
      Memory w_in = memory<T>(w);
      Memory bias_in = memory<float>(bias);
      Memory pre_in = memory<T>(pre);
      const Expected forward = run_reference(kNoScratch, {x, w, bias}, {poison(count), poison(count)},
                                             [&](auto& ops, OpContext& context, auto& in, auto& out) {
                                               ops.mlp_forward(context, out[0], out[1], in[0], in[1], in[2], nullptr,
                                                               shape.n, shape.rows, shape.cols);
                                             });
      const auto bound = [&](size_t, size_t, double wanted) { return product_bound<T>(4 * shape.cols, wanted); };
      check_kernel(
          forward.outputs, {output<T>(poison(count)), output<T>(poison(count))},
          [&](cuda::Stream stream, std::vector<Memory>& out) {
            cuda::mlp_forward(stream, out[0].as<T>(), out[1].as<T>(), x_in.as<T>(), w_in.as<T>(), bias_in.as<float>(),
                              shape.n, shape.rows, shape.cols);
          },
          bound);
      const Expected backward = run_reference(
          kNoScratch, {x, pre, w}, {poison(count)}, [&](auto& ops, OpContext& context, auto& in, auto& out) {
            ops.mlp_backward(context, out[0], in[0], in[1], in[2], nullptr, shape.n, shape.rows, shape.cols, 1.5f);
          });
      check_kernel(
          backward.outputs, {output<T>(poison(count))},
          [&](cuda::Stream stream, std::vector<Memory>& out) {
            cuda::mlp_backward(stream, out[0].as<T>(), x_in.as<T>(), pre_in.as<T>(), w_in.as<T>(), shape.n, shape.rows,
                               shape.cols, 1.5f);
          },
          bound);
    });
  }
}

namespace {

// D of integers, which is exact in whatever order. launch(stream, a, b, shape, d) assigns it.
template <bool kAcrossA, bool kAcrossB, class T, class Launch>
void check_tiles(Random& random, const cuda::ProductShape& shape, Launch launch) {
  const int64_t m = shape.m;
  const int64_t n = shape.n;
  const int64_t k = shape.k;
  const Floats a = random.integers(m * k);
  const Floats b = random.integers(n * k);
  Doubles expected(m * n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t p = 0; p < k; ++p) {
        expected[i * n + j] +=
            double(a[kAcrossA ? i * k + p : p * m + i]) * double(b[kAcrossB ? j * k + p : p * n + j]);
      }
    }
  }
  Memory a_in = memory<bfloat16>(a);
  Memory b_in = memory<bfloat16>(b);
  check_kernel(
      {expected}, {output<T>(poison(m * n))},
      [&](cuda::Stream stream, std::vector<Memory>& out) {
        const cuda::Operand<bfloat16> left{a_in.as<bfloat16>(), kAcrossA ? k : m};
        const cuda::Operand<bfloat16> right{b_in.as<bfloat16>(), kAcrossB ? k : n};
        launch(stream, left, right, out[0].as<T>());
      },
      [](size_t, size_t, double wanted) { return sizeof(T) == 4 ? 0 : rounding_of<T> * std::fabs(wanted); });
}

// Tiles of 128 x kTileN, which a launcher picks by size.
template <bool kAcrossA, bool kAcrossB, int kTileN>
void check_tensor_tiles(Random& random) {
  const cuda::ProductShape shape{72, kTileN + 8, 168};  // six steps in a pipeline of four stages
  check_tiles<kAcrossA, kAcrossB, float>(random, shape, [&](cuda::Stream stream, auto& a, auto& b, float* d) {
    cuda::launch_tensor_product<kAcrossA, kAcrossB, kTileN>(stream, a, b, shape, 1, shape.k,
                                                            cuda::GradientEpilogue{d, shape.n, 1, 0});
  });
}

// Two tiles for each of two blocks, eight steps in a ring of four or six stages.
template <bool kAcrossA, bool kAcrossB, int kTileN>
void check_sm90_tiles(Random& random) {
  const cuda::ProductShape shape{136, kTileN + 8, 456};
  using T = std::conditional_t<kAcrossA, bfloat16, float>;
  check_tiles<kAcrossA, kAcrossB, T>(random, shape, [&](cuda::Stream stream, auto& a, auto& b, T* d) {
    if constexpr (kAcrossA) {
      cuda::launch_sm90_tiles<kAcrossA, kAcrossB, kTileN>(
          stream, a, b, shape, 1, shape.k, cuda::ActivationEpilogue<T, cuda::Activation::kNone>{d, shape.n});
    } else {
      cuda::launch_sm90_tiles<kAcrossA, kAcrossB, kTileN>(stream, a, b, shape, 1, shape.k,
                                                          cuda::GradientEpilogue{d, shape.n, 1, 0});
    }
  });
}

}  // namespace

TEST(cuda_tensor_tiles_are_exact_for_integers) {
  Random random(76);
  check_tensor_tiles<true, true, 128>(random);
  check_tensor_tiles<true, false, 128>(random);
  check_tensor_tiles<false, false, 128>(random);
  check_tensor_tiles<true, true, 256>(random);
  check_tensor_tiles<true, false, 256>(random);
  check_tensor_tiles<false, false, 256>(random);
}

TEST(cuda_sm90_tiles_are_exact_for_integers) {
  const Sm90 device;
  Random random(77);
  check_sm90_tiles<true, true, 128>(random);
  check_sm90_tiles<true, false, 128>(random);
  check_sm90_tiles<false, false, 128>(random);
  check_sm90_tiles<true, true, 256>(random);
  check_sm90_tiles<true, false, 256>(random);
  check_sm90_tiles<false, false, 256>(random);
}

}  // namespace burgeon::test
