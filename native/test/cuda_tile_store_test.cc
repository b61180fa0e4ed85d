// Tiles that warps store themselves, on the host: what products read of them, and that missing fences and barriers
// show.
#include <cmath>

#include "kernels/cuda/swizzled_tile.cuh"
#include "test/cuda_fixture.h"

namespace burgeon::cuda {

namespace {

using test::contains;
using test::error_of;
using test::Floats;
using test::kSeeds;
using test::Random;
using test::run;

using Square = SwizzledTile<64, 64>;

enum class Mistake { kNone, kNoFence, kFenceOfOneLane, kNoBarrier, kMisaligned, kOutside, kLoadOver };

// d = transpose(a) a, of a (64, 64) that four warps store, 16 rows each. copy: the tile as it is read back.
BURGEON_KERNEL(128, 1)
multiply_stored(float* d, float* copy, const float* a, BURGEON_TENSOR_MAP(map), Mistake mistake) {
  BURGEON_TILE_SHARED(bytes);
  const SharedAddress tile = shared_address(bytes);
  const SharedAddress barrier = tile + Square::kBytes;
  const int row = thread_index() / kWarpSize * 16;
  const int lane = thread_index() % kWarpSize;
  const auto place = [&](int column, int r) {
    return (row + lane / 4 + r % 2 * 8) * 64 + column + lane % 4 * 2 + r / 2 * 8;
  };
  for (int k = 0; k < 64; k += 16) {
    uint32_t left[4];
    for (int r = 0; r < 4; ++r) left[r] = pack_bfloat16(a[place(k, r)], a[place(k, r) + 1]);
    Square::store_left(mistake == Mistake::kOutside      ? tile + 1024
                       : mistake == Mistake::kMisaligned ? tile + 8
                                                         : tile,
                       row, k, left);
  }
  if (mistake == Mistake::kLoadOver && thread_index() == 0) {
    init_barrier(barrier, 1);
    fence_barriers();
    arrive_expecting(barrier, Square::kBytes);
    Square::load(tile, map, 0, 0, 0, barrier);
    wait_for_phase(barrier, 0);
  }
  if (mistake == Mistake::kFenceOfOneLane ? lane == 0 : mistake != Mistake::kNoFence) fence_tiles();
  if (mistake != Mistake::kNoBarrier) sync_some(1, 128);
  float sums[8][4];
  begin_products(sums);
  for (int k = 0; k < 64; k += 16) {
    multiply_async<false, false>(sums, Square::down(tile, k, 0), Square::down(tile, k, 0), k > 0);
  }
  commit_products();
  wait_for_products<0>(sums);
  for (int k = 0; k < 64; k += 16) {
    uint32_t left[4];
    Square::load_left(left, tile, row, k);
    for (int r = 0; r < 4; ++r) {
      copy[place(k, r)] = from_word(left[r] << 16);
      copy[place(k, r) + 1] = from_word(left[r] & 0xffff0000u);
    }
  }
  for (int n = 0; n < 8; ++n) {
    for (int i = 0; i < 4; ++i) d[(row + lane / 4 + i / 2 * 8) * 64 + n * 8 + lane % 4 * 2 + i % 2] = sums[n][i];
  }
}

// Three warpgroups, as they are launched with 168 registers for each thread.
BURGEON_KERNEL(384, 1) share_registers(bool gives_enough) {
  if (thread_index() >= kWarpgroup) {
    take_registers<232>();
  } else if (gives_enough) {
    give_registers<40>();
  } else {
    give_registers<48>();
  }
}

}  // namespace

TEST(cuda_warps_take_only_registers_that_others_gave) {
  CHECK(error_of(384, 0, share_registers, true).empty());
  CHECK(contains(error_of(384, 0, share_registers, false), "took more registers than the block has"));
}

TEST(cuda_products_read_what_warps_stored_before_a_fence) {
  Random random(7);
  const Floats a = random.integers(64 * 64);
  Floats expected(64 * 64);
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 64; ++j) {
      for (int k = 0; k < 64; ++k) expected[i * 64 + j] += a[k * 64 + i] * a[k * 64 + j];
    }
  }
  test::Memory matrix = test::memory<bfloat16>(a);
  const TensorMap map = tensor_map(matrix.as<bfloat16>(), {64, 64, 64}, 64);
  const size_t shared = Square::kBytes + 8;
  Floats d(64 * 64);
  Floats copy(64 * 64);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    run(seed, 128, shared, multiply_stored, d.data(), copy.data(), a.data(), map, Mistake::kNone);
    CHECK(d == expected);
    CHECK(copy == a);
  }
  const auto error = [&](Mistake mistake) {
    return error_of(128, shared, multiply_stored, d.data(), copy.data(), a.data(), map, mistake);
  };
  CHECK(error(Mistake::kNone).empty());
  for (const Mistake mistake : {Mistake::kNoFence, Mistake::kFenceOfOneLane}) {
    CHECK(contains(error(mistake), "a product reads what was stored before a fence"));
  }
  CHECK(contains(error(Mistake::kMisaligned), "a row of store_matrices needs an address that is a multiple of 16"));
  CHECK(contains(error(Mistake::kOutside), "store_matrices writes outside of the dynamic shared memory"));
  CHECK(contains(error(Mistake::kLoadOver), "a tile is loaded over what was stored before a fence"));
  int wrong = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    try {
      run(seed, 128, shared, multiply_stored, d.data(), copy.data(), a.data(), map, Mistake::kNoBarrier);
      wrong += d != expected;
    } catch (const Error&) {
      ++wrong;  // another warp had stored, but not come to its fence
    }
  }
  CHECK(wrong > kSeeds / 2);
}

}  // namespace burgeon::cuda
