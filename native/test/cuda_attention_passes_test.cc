// How many passes attention backward takes on devices of capability 9.0, and that both ways come to the same bits.
#include "ops/attention/attention_passes.h"
#include "test/cuda_fixture.h"

namespace burgeon::test {

using cuda::heads_of;

TEST(cuda_attention_takes_one_pass_where_whole_heads_fill_the_device) {
  CHECK(!cuda::pays_in_one_pass(1));
  CHECK(!cuda::pays_in_one_pass(103));
  CHECK(cuda::pays_in_one_pass(104));
  CHECK(cuda::pays_in_one_pass(132));
  CHECK(!cuda::pays_in_one_pass(133));
  CHECK(!cuda::pays_in_one_pass(16 * 12));
  CHECK(cuda::pays_in_one_pass(64 * 6));
  CHECK(cuda::pays_in_one_pass(64 * 12));
  for (int64_t units = 1000; units < 2000; ++units) CHECK(cuda::pays_in_one_pass(units));

  CHECK(cuda::fits_one_pass(heads_of(1024, 12, 12, 64)));
  CHECK(!cuda::fits_one_pass(heads_of(1025, 12, 12, 64)));
  CHECK(cuda::fits_one_pass(heads_of(512, 12, 6, 64)));
  CHECK(!cuda::fits_one_pass(heads_of(513, 12, 6, 64)));
  CHECK(cuda::fits_one_pass(heads_of(1, 8, 1, 64)));
  CHECK(!cuda::fits_one_pass(heads_of(128, 4, 4, 128)));
  CHECK(cuda::takes_one_pass(64, heads_of(1024, 12, 12, 64)));
  CHECK(!cuda::takes_one_pass(16, heads_of(1024, 12, 12, 64)));
  CHECK(!cuda::takes_one_pass(64, heads_of(2048, 12, 12, 64)));
}

TEST(cuda_attention_takes_as_many_passes_as_it_is_told) {
  {
    const PassesOf passes("1");
    CHECK(cuda::takes_one_pass(1, heads_of(7, 1, 1, 64)));
    CHECK(!cuda::takes_one_pass(64, heads_of(1024, 12, 12, 128)));
  }
  {
    const PassesOf passes("2");
    CHECK(!cuda::takes_one_pass(64, heads_of(1024, 12, 12, 64)));
  }
  {
    const PassesOf passes("");
    CHECK(cuda::takes_one_pass(64, heads_of(1024, 12, 12, 64)));
  }
  const PassesOf passes("one");
  CHECK_ERROR(ErrorCode::kCuda, "BURGEON_ATTENTION_PASSES: expected 1 or 2, received \"one\"; unset it",
              cuda::takes_one_pass(64, heads_of(1024, 12, 12, 64)));
}

// Sums are made in the same order, key by key for queries and query by query for keys.
TEST(cuda_attention_backward_has_the_same_bits_in_one_pass_and_in_two) {
  const Sm90 device;
  Random random(85);
  struct Shape {
    int64_t batch, sequence, heads, kv_heads;
  };
  for (const Shape& s : {Shape{1, 64, 1, 1}, {1, 400, 2, 2}, {3, 200, 4, 1}}) {
    const Note note(std::to_string(s.batch) + " x " + std::to_string(s.sequence));
    const int64_t tokens = s.batch * s.sequence;
    const int64_t qkv_size = tokens * (s.heads + 2 * s.kv_heads) * 64;
    Memory qkv = memory<bfloat16>(random.normals(qkv_size));
    Memory dout = memory<bfloat16>(random.normals(tokens * s.heads * 64));
    Memory out = memory<bfloat16>(poison(tokens * s.heads * 64));
    Memory lse = memory<float>(poison(tokens * s.heads));
    CUstream_st stream{1};
    cuda::attention_forward(&stream, out.as<bfloat16>(), lse.as<float>(), qkv.as<bfloat16>(), s.batch, s.sequence,
                            s.heads, s.kv_heads, 64);
    const auto gradient = [&](const char* count) {
      const PassesOf passes(count);
      Memory dqkv = memory<bfloat16>(poison(qkv_size));
      Scratch scratch(cuda::attention_backward_scratch_bytes(s.batch, s.sequence, s.heads, 64));
      cuda::attention_backward(&stream, dqkv.as<bfloat16>(), dout.as<bfloat16>(), qkv.as<bfloat16>(),
                               out.as<bfloat16>(), lse.as<float>(), s.batch, s.sequence, s.heads, s.kv_heads, 64,
                               scratch.data());
      CHECK(scratch.intact());
      return dqkv;
    };
    CHECK(gradient("1").same_bits(gradient("2")));
  }
}

}  // namespace burgeon::test
