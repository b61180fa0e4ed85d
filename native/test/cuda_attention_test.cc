// Attention of the CUDA backend, run on the host: tensor-core kernels for heads of 64 and 128, plain ones for the rest.
#include <cmath>

#include "test/cuda_fixture.h"

namespace burgeon::test {

namespace {

struct Shape {
  int64_t batch, sequence, heads, kv_heads, head_size;
};

std::string text(const Shape& s) {
  return std::to_string(s.batch) + " x " + std::to_string(s.sequence) + ", " + std::to_string(s.heads) +
         " heads over " + std::to_string(s.kv_heads) + " of " + std::to_string(s.head_size);
}

// Forward and backward against the reference, which is given the rounded operands; `error` is what an element may be
// off, in units of one rounding to T of the largest value of its kind.
template <class T>
void check_attention(Random& random, const Shape& s, double error) {
  const Note note(text(s));
  const int64_t tokens = s.batch * s.sequence;
  const int64_t qkv_size = tokens * (s.heads + 2 * s.kv_heads) * s.head_size;
  const int64_t out_size = tokens * s.heads * s.head_size;
  const ScratchShape scratch_shape{tokens, s.sequence, 1, 1, s.head_size};
  const Floats qkv = rounded<T>(random.normals(qkv_size));
  const Floats dout = rounded<T>(random.normals(out_size));
  Memory qkv_in = memory<T>(qkv);
  Memory dout_in = memory<T>(dout);

  const Expected forward = run_reference(scratch_shape, {qkv}, {poison(out_size), poison(tokens * s.heads)},
                                         [&](auto& ops, OpContext& context, auto& in, auto& out) {
                                           ops.attention_forward(context, out[0], out[1], in[0], s.batch, s.sequence,
                                                                 s.heads, s.kv_heads, s.head_size);
                                         });
  check_kernel(
      forward.outputs, {output<T>(poison(out_size)), output<float>(poison(tokens * s.heads))},
      [&](cuda::Stream stream, std::vector<Memory>& out) {
        cuda::attention_forward(stream, out[0].as<T>(), out[1].as<float>(), qkv_in.as<T>(), s.batch, s.sequence,
                                s.heads, s.kv_heads, s.head_size);
      },
      [&](size_t which, size_t, double) { return which == 0 ? error * rounding_of<T> * 3 : 2e-5; });

  // Backward is given what forward should have saved, rounded.
  const Floats out = rounded<T>(Floats(forward.outputs[0].begin(), forward.outputs[0].end()));
  const Floats lse(forward.outputs[1].begin(), forward.outputs[1].end());
  Memory out_in = memory<T>(out);
  Memory lse_in = memory<float>(lse);
  const Expected backward =
      run_reference(scratch_shape, {dout, qkv, out, lse}, {poison(qkv_size)},
                    [&](auto& ops, OpContext& context, auto& in, auto& result) {
                      ops.attention_backward(context, result[0], in[0], in[1], in[2], in[3], s.batch, s.sequence,
                                             s.heads, s.kv_heads, s.head_size);
                    });
  double largest = 0;
  for (const double value : backward.outputs[0]) largest = std::fmax(largest, std::fabs(value));
  Scratch scratch(cuda::attention_backward_scratch_bytes(s.batch, s.sequence, s.heads, s.head_size));
  check_kernel(
      backward.outputs, {output<T>(poison(qkv_size))},
      [&](cuda::Stream stream, std::vector<Memory>& result) {
        cuda::attention_backward(stream, result[0].as<T>(), dout_in.as<T>(), qkv_in.as<T>(), out_in.as<T>(),
                                 lse_in.as<float>(), s.batch, s.sequence, s.heads, s.kv_heads, s.head_size,
                                 scratch.data());
      },
      [&](size_t, size_t, double wanted) {
        return error * rounding_of<T> * (0.5 * std::fabs(wanted) + 0.25 * largest);
      });
  CHECK(scratch.intact());
}

}  // namespace

// Tiles of 128 queries or keys and of 64 or 32 of the other: within one, at their edges, across several.
TEST(cuda_attention_on_tensor_cores_matches_the_reference) {
  Random random(81);
  check_attention<bfloat16>(random, {2, 1, 1, 1, 64}, 2);
  check_attention<bfloat16>(random, {1, 67, 4, 2, 64}, 2);
  check_attention<bfloat16>(random, {1, 140, 1, 1, 64}, 2);
  check_attention<bfloat16>(random, {1, 130, 1, 1, 128}, 2);
}

// Tiles of 128 queries against 128 keys, or 64 of the other side in backward; two blocks share the tiles of forward.
TEST(cuda_attention_on_sm_90_matches_the_reference) {
  const Sm90 device;
  Random random(83);
  check_attention<bfloat16>(random, {2, 1, 1, 1, 64}, 2);
  check_attention<bfloat16>(random, {1, 67, 4, 2, 64}, 2);
  check_attention<bfloat16>(random, {1, 270, 2, 1, 64}, 2);
  check_attention<bfloat16>(random, {2, 140, 4, 2, 64}, 2);  // more heads than one group of the order
  check_attention<bfloat16>(random, {2, 65, 1, 1, 128}, 2);
  check_attention<bfloat16>(random, {1, 390, 1, 1, 128}, 2);
}

// In one pass: a tile of keys and several, sums of queries in memory and in shared memory, more units than blocks.
TEST(cuda_attention_backward_in_one_pass_matches_the_reference) {
  const Sm90 device;
  const PassesOf passes("1");
  Random random(84);
  check_attention<bfloat16>(random, {2, 1, 1, 1, 64}, 2);
  check_attention<bfloat16>(random, {1, 67, 4, 2, 64}, 2);
  check_attention<bfloat16>(random, {1, 270, 2, 1, 64}, 2);
  check_attention<bfloat16>(random, {2, 140, 4, 2, 64}, 2);
  check_attention<bfloat16>(random, {8, 100, 1, 1, 64}, 2);  // keys are replaced after one tile of queries
}

// Rows of heads that are read element by element and in vectors: of fewer than eight lanes, of eight and some more.
TEST(cuda_attention_of_other_heads_matches_the_reference) {
  Random random(82);
  for (const Shape& shape : {Shape{1, 1, 1, 1, 1},
                             {2, 5, 3, 1, 7},
                             {1, 34, 2, 2, 16},
                             {1, 33, 2, 1, 33},
                             {1, 70, 2, 1, 40},
                             {1, 9, 2, 1, 72}}) {
    check_attention<float>(random, shape, 200);
    check_attention<bfloat16>(random, shape, 2);
  }
  check_attention<float>(random, {1, 9, 1, 1, 64}, 200);
}

// Large scores: the softmax is that of the largest, and nothing overflows.
namespace {

void check_range() {
  for (const int64_t head_size : {64, 128, 16}) {
    const Note note(std::to_string(head_size));
    const int64_t sequence = 70;
    const int64_t row = 3 * head_size;
    Floats qkv(sequence * row);
    for (int64_t t = 0; t < sequence; ++t) {
      for (int64_t d = 0; d < head_size; ++d) {
        qkv[t * row + d] = 64;
        qkv[t * row + head_size + d] = t % 2 == 0 ? 64 : -64;
        qkv[t * row + 2 * head_size + d] = t % 2 == 0 ? 1 : 5;
      }
    }
    Memory in = memory<bfloat16>(qkv);
    check_kernel(
        {Doubles(sequence * head_size, 1)}, {output<bfloat16>(poison(sequence * head_size))},
        [&](cuda::Stream stream, std::vector<Memory>& out) {
          Floats lse(sequence);
          cuda::attention_forward(stream, out[0].as<bfloat16>(), lse.data(), in.as<bfloat16>(), 1, sequence, 1, 1,
                                  head_size);
        },
        exact);
  }
}

}  // namespace

TEST(cuda_attention_keeps_its_range) {
  check_range();
  const Sm90 device;
  check_range();
}

}  // namespace burgeon::test
