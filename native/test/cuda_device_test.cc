// The host implementation of CUDA's threads: what it must let pass, what it must find, and lane layouts against loops.
#include <cmath>
#include <set>

#include "kernels/cuda/device.cuh"
#include "test/cuda_fixture.h"

namespace burgeon::cuda {

namespace {

using test::contains;
using test::error_of;
using test::Floats;
using test::kSeeds;
using test::Random;
using test::run;

// Every thread passes a value to the next, `rounds` times, through one array; correct with both barriers.
BURGEON_KERNEL(64, 1) pass_on(int* out, int rounds, bool before_reading, bool after_reading) {
  BURGEON_SHARED(int, values, 64);
  int value = thread_index();
  for (int round = 0; round < rounds; ++round) {
    values[thread_index()] = value;
    if (before_reading) sync_threads();
    value = values[(thread_index() + 1) % 64];
    if (after_reading) sync_threads();
  }
  out[thread_index()] = value;
}

std::set<std::vector<int>> results_of_passing(int rounds, bool before, bool after) {
  std::set<std::vector<int>> results;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::vector<int> out(64);
    run(seed, 64, 0, pass_on, out.data(), rounds, before, after);
    results.insert(out);
  }
  return results;
}

}  // namespace

TEST(cuda_barriers_make_results_independent_of_the_schedule) {
  for (const int rounds : {1, 2, 5}) {
    const auto results = results_of_passing(rounds, true, true);
    CHECK(results.size() == 1);
    for (int i = 0; i < 64; ++i) CHECK((*results.begin())[i] == (i + rounds) % 64);
  }
}

TEST(cuda_missing_barriers_show) {
  CHECK(results_of_passing(1, false, true).size() > kSeeds / 2);
  CHECK(results_of_passing(2, true, false).size() > kSeeds / 2);
  // Without a second round nothing is overwritten.
  CHECK(results_of_passing(1, true, false).size() == 1);
}

namespace {

BURGEON_KERNEL(64, 1) warp_without_sync(int* out) {
  BURGEON_SHARED(int, values, 64);
  values[thread_index()] = thread_index();
  out[thread_index()] = values[thread_index() ^ 1];
}

BURGEON_KERNEL(64, 1) warp_with_sync(int* out) {
  BURGEON_SHARED(int, values, 64);
  values[thread_index()] = thread_index();
  sync_warp();
  out[thread_index()] = values[thread_index() ^ 1];
}

}  // namespace

TEST(cuda_lanes_of_a_warp_are_not_in_step) {
  std::set<std::vector<int>> without;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::vector<int> out(64);
    run(seed, 64, 0, warp_without_sync, out.data());
    without.insert(out);
    run(seed, 64, 0, warp_with_sync, out.data());
    for (int i = 0; i < 64; ++i) CHECK(out[i] == (i ^ 1));
  }
  CHECK(without.size() > kSeeds / 2);
}

namespace {

BURGEON_KERNEL(64, 1) different_barriers() {
  if (thread_index() < 32) {
    sync_threads();
  } else {
    sync_threads();
  }
}

BURGEON_KERNEL(64, 1) some_leave() {
  if (thread_index() == 7) return;
  sync_threads();
}

BURGEON_KERNEL(64, 1) lane_leaves() {
  if (thread_index() == 7) return;
  shuffle_xor(1.0f, 1);
}

BURGEON_KERNEL(64, 1) different_operations() {
  if (thread_index() % 2 == 0) {
    shuffle(1.0f, 0);
  } else {
    sync_warp();
  }
}

BURGEON_KERNEL(64, 1) barrier_against_shuffle() {
  if (thread_index() % 2 == 0) {
    shuffle(1.0f, 0);
  } else {
    sync_threads();
  }
}

}  // namespace

TEST(cuda_threads_that_do_not_meet_are_an_error) {
  CHECK(contains(error_of(64, 0, different_barriers), "threads wait at different barriers, lines "));
  CHECK(contains(error_of(64, 0, some_leave), "has left the kernel"));
  CHECK(contains(error_of(64, 0, some_leave), "waits at the barrier in line "));
  CHECK(contains(error_of(64, 0, lane_leaves), "waits for its warp at shuffle_xor"));
  CHECK(contains(error_of(64, 0, different_operations), "came to different operations"));
  CHECK(contains(error_of(64, 0, barrier_against_shuffle), "threads wait for each other"));
  CHECK(contains(error_of(48, 0, some_leave), "expected a multiple of 32"));
}

namespace {

BURGEON_KERNEL(32, 1) read_unwritten(float* out) {
  BURGEON_SHARED(float, values, 32);
  BURGEON_DYNAMIC_SHARED(bytes);
  out[thread_index()] = values[thread_index()];
  out[32 + thread_index()] = reinterpret_cast<float*>(bytes)[thread_index()];
  values[thread_index()] = 1;
  reinterpret_cast<float*>(bytes)[thread_index()] = 1;
}

BURGEON_KERNEL(32, 1) write_beyond(bool dynamic, int index) {
  BURGEON_SHARED(float, values, 32);
  BURGEON_DYNAMIC_SHARED(bytes);
  if (thread_index() == 0) (dynamic ? reinterpret_cast<float*>(bytes) : values)[index] = 1;
}

BURGEON_KERNEL(32, 1) misaligned(float* out, int which) {
  BURGEON_DYNAMIC_SHARED(bytes);
  uint32_t r[4];
  if (which == 0) store_words(out + 1, Words<4>{});
  if (which == 1) load_words<2>(out + 1);
  if (which == 2) load_matrices(r, shared_address(bytes + 2));
  if (which == 3) copy_async<16>(shared_address(bytes + 4), out);
  if (which == 4) copy_async<16>(shared_address(bytes), out + 1);
  if (which == 5) copy_async<4>(shared_address(bytes + 2), out);
}

}  // namespace

TEST(cuda_shared_memory_begins_as_nan_in_every_block) {
  CUstream_st stream{3};
  Floats out(64);
  for (int launches = 0; launches < 2; ++launches) {
    launch(&stream, {5}, 32, 128, read_unwritten, out.data());
    for (const float value : out) CHECK(std::isnan(value));
  }
}

TEST(cuda_shared_memory_has_bounds) {
#ifndef BURGEON_SANITIZED  // AddressSanitizer would end the program
  CHECK(contains(error_of(32, 128, write_beyond, true, 32), "dynamic shared memory was written beyond its ends"));
  CHECK(contains(error_of(32, 128, write_beyond, true, -1), "dynamic shared memory was written beyond its ends"));
  CHECK(contains(error_of(32, 128, write_beyond, false, 32), "a shared array was written beyond its ends"));
#endif
  CHECK(error_of(32, 128, write_beyond, true, 31).empty());
  CHECK(error_of(32, 128, write_beyond, false, 31).empty());
  CHECK(contains(error_of(32, 200 * 1024, write_beyond, true, 0), "more shared memory than sm_80 has"));
}

TEST(cuda_misaligned_addresses_are_an_error) {
  alignas(16) float out[8] = {};
  for (int which = 0; which < 6; ++which) {
    CHECK(contains(error_of(32, 128, misaligned, static_cast<float*>(out), which), "multiple"));
  }
}

namespace {

// Two groups of copies, of which the kernel waits for all but `left`; -1: it does not wait before it reads.
BURGEON_KERNEL(32, 1) copy_two_groups(float* out, const float* in, int left) {
  BURGEON_DYNAMIC_SHARED(bytes);
  float* shared = reinterpret_cast<float*>(bytes);
  const int t = thread_index();
  copy_async<16>(shared_address(shared + 4 * t), in + 4 * t);
  commit_copies();
  copy_async<16>(shared_address(shared + 128 + 4 * t), in + 128 + 4 * t, 8);
  commit_copies();
  if (left == 0) wait_for_copies<0>();
  if (left == 1) wait_for_copies<1>();
  for (int i = 0; i < 4; ++i) {
    out[4 * t + i] = shared[4 * t + i];
    out[128 + 4 * t + i] = shared[128 + 4 * t + i];
  }
  wait_for_copies<0>();
}

BURGEON_KERNEL(32, 1) copy_without_waiting(const float* in, bool commit) {
  BURGEON_DYNAMIC_SHARED(bytes);
  copy_async<16>(shared_address(bytes + 16 * thread_index()), in);
  if (commit) commit_copies();
  if (!commit) wait_for_copies<0>();
}

// Its own copies have arrived, those of the next thread only after a barrier.
BURGEON_KERNEL(64, 1) read_copy_of_another(float* out, const float* in, bool barrier) {
  BURGEON_DYNAMIC_SHARED(bytes);
  const int t = thread_index();
  copy_async<16>(shared_address(bytes + 16 * t), in + 4 * t);
  commit_copies();
  wait_for_copies<0>();
  if (barrier) sync_threads();
  out[t] = reinterpret_cast<float*>(bytes)[(4 * t + 4) % 256];
}

}  // namespace

TEST(cuda_copies_arrive_when_they_are_waited_for) {
  Random random(1);
  alignas(16) float in[256];
  for (float& value : in) value = random.normal();
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const int left : {-1, 0, 1}) {
      Floats out(256);
      run(seed, 32, 1024, copy_two_groups, out.data(), static_cast<const float*>(in), left);
      for (int i = 0; i < 128; ++i) {
        CHECK(left >= 0 ? out[i] == in[i] : std::isnan(out[i]));
        const float expected = i % 4 < 2 ? in[128 + i] : 0;  // 8 of 16 bytes are read
        CHECK(left == 0 ? out[128 + i] == expected : std::isnan(out[128 + i]));
      }
    }
  }
  for (const bool commit : {false, true}) {
    CHECK(contains(error_of(32, 512, copy_without_waiting, static_cast<const float*>(in), commit),
                   "ended before its asynchronous copies were waited for"));
  }
  int strays = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Floats out(64);
    run(seed, 64, 1024, read_copy_of_another, out.data(), static_cast<const float*>(in), true);
    for (int t = 0; t < 64; ++t) CHECK(out[t] == in[(4 * t + 4) % 256]);
    run(seed, 64, 1024, read_copy_of_another, out.data(), static_cast<const float*>(in), false);
    for (int t = 0; t < 64; ++t) strays += std::isnan(out[t]);
  }
  CHECK(strays > 0);
}

namespace {

BURGEON_KERNEL(64, 1) shuffles(int* out) {
  const int t = thread_index();
  out[t] = shuffle(t, 5);
  out[64 + t] = shuffle(t, (t + 3) % 32);
  out[128 + t] = shuffle_xor(t, 16);
}

// out: 32 lanes of four registers of two elements.
BURGEON_KERNEL(32, 1) load_four_matrices(uint16_t* out, const uint16_t* matrices, bool transposed) {
  BURGEON_DYNAMIC_SHARED(bytes);
  uint16_t* shared = reinterpret_cast<uint16_t*>(bytes);
  const int lane = thread_index();
  for (int i = 0; i < 8; ++i) shared[8 * lane + i] = matrices[8 * lane + i];
  sync_warp();
  uint32_t r[4];
  if (transposed) {
    load_matrices_transposed(r, shared_address(shared + 8 * lane));
  } else {
    load_matrices(r, shared_address(shared + 8 * lane));
  }
  for (int m = 0; m < 4; ++m) {
    out[8 * lane + 2 * m] = static_cast<uint16_t>(r[m]);
    out[8 * lane + 2 * m + 1] = static_cast<uint16_t>(r[m] >> 16);
  }
}

// c (16, 8) += a (16, 16) b (16, 8), the fragments loaded element by element as the PTX manual's figures show them.
BURGEON_KERNEL(32, 1) multiply(float* c, const float* a, const float* b) {
  const int lane = thread_index();
  const int row = lane >> 2;
  const int k = (lane & 3) << 1;
  uint32_t fragment_a[4];
  fragment_a[0] = pack_bfloat16(a[row * 16 + k], a[row * 16 + k + 1]);
  fragment_a[1] = pack_bfloat16(a[(row + 8) * 16 + k], a[(row + 8) * 16 + k + 1]);
  fragment_a[2] = pack_bfloat16(a[row * 16 + k + 8], a[row * 16 + k + 9]);
  fragment_a[3] = pack_bfloat16(a[(row + 8) * 16 + k + 8], a[(row + 8) * 16 + k + 9]);
  const uint32_t b0 = pack_bfloat16(b[k * 8 + row], b[(k + 1) * 8 + row]);
  const uint32_t b1 = pack_bfloat16(b[(k + 8) * 8 + row], b[(k + 9) * 8 + row]);
  float sums[4] = {c[row * 8 + k], c[row * 8 + k + 1], c[(row + 8) * 8 + k], c[(row + 8) * 8 + k + 1]};
  multiply_add_bf16(sums, fragment_a, b0, b1);
  c[row * 8 + k] = sums[0];
  c[row * 8 + k + 1] = sums[1];
  c[(row + 8) * 8 + k] = sums[2];
  c[(row + 8) * 8 + k + 1] = sums[3];
}

}  // namespace

TEST(cuda_warp_operations_move_what_the_manual_says) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    std::vector<int> out(192);
    run(seed, 64, 0, shuffles, out.data());
    for (int t = 0; t < 64; ++t) {
      const int warp = t / 32 * 32;
      CHECK(out[t] == warp + 5);
      CHECK(out[64 + t] == warp + (t + 3) % 32);
      CHECK(out[128 + t] == (t ^ 16));
    }
    std::vector<uint16_t> matrices(256);
    for (int i = 0; i < 256; ++i) matrices[i] = static_cast<uint16_t>(1000 + i);
    for (const bool transposed : {false, true}) {
      std::vector<uint16_t> loaded(256);
      run(seed, 32, 512, load_four_matrices, loaded.data(), static_cast<const uint16_t*>(matrices.data()), transposed);
      for (int m = 0; m < 4; ++m) {
        for (int row = 0; row < 8; ++row) {
          for (int col = 0; col < 8; ++col) {
            const int holder = transposed ? 4 * col + row / 2 : 4 * row + col / 2;
            const int which = transposed ? row % 2 : col % 2;
            CHECK(loaded[8 * holder + 2 * m + which] == matrices[64 * m + 8 * row + col]);
          }
        }
      }
    }
    Random random(seed);
    const Floats a = random.integers(256);
    const Floats b = random.integers(128);
    const Floats c = random.integers(128);
    Floats result = c;
    run(seed, 32, 0, multiply, result.data(), a.data(), b.data());
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        float sum = c[8 * i + j];
        for (int k = 0; k < 16; ++k) sum += a[16 * i + k] * b[8 * k + j];
        CHECK(result[8 * i + j] == sum);
      }
    }
  }
}

TEST(bfloat16_is_the_nearest) {
  Random random(2);
  for (int i = 0; i < 2000; ++i) {
    const uint32_t bits = static_cast<uint32_t>(random.next());
    const float x = from_word(i < 4 ? 0x3f808000u + (i & 2) * 0x8000u + (i & 1) : bits);
    if (!std::isfinite(x)) continue;
    const bfloat16 rounded = to_bfloat16(x);
    const bfloat16 down{static_cast<uint16_t>(to_word(x) >> 16)};
    const bfloat16 up{static_cast<uint16_t>(down.bits + 1)};
    const double below = std::fabs(static_cast<double>(x) - to_float(down));
    // The next number up has the same distance to the one below as that to the one below it, or twice that.
    const double step = std::ldexp(1.0, std::max(-126, std::ilogb(to_float(down))) - 7);
    const double above = step - below;
    const bfloat16 wanted = below < above || (below == above && down.bits % 2 == 0) ? down : up;
    CHECK(rounded.bits == wanted.bits);
  }
  CHECK(std::isnan(to_float(to_bfloat16(NAN))));
  CHECK(std::isnan(to_float(to_bfloat16(from_word(0x7f800001u)))));
  CHECK(std::isinf(to_float(to_bfloat16(INFINITY))));
}

}  // namespace burgeon::cuda
