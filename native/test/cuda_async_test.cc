// What sm_90a has alone, on the host: barriers in shared memory, loads of tiles and products of warpgroups, against
// plain formulas; and that wrong uses of them show.
#include <cmath>
#include <set>

#include "kernels/cuda/quad.cuh"
#include "kernels/cuda/swizzled_tile.cuh"
#include "test/cuda_fixture.h"

namespace burgeon::cuda {

namespace {

using test::contains;
using test::error_of;
using test::Floats;
using test::kSeeds;
using test::Memory;
using test::Random;
using test::run;
using test::Sm90;

// The first warp writes a number per round, the second adds them up; correct with both barriers.
BURGEON_KERNEL(64, 1) hand_over(int* out, int rounds, bool waits_for_value, bool waits_for_room) {
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress full = shared_address(bytes);
  const SharedAddress free = full + 8;
  int* const value = reinterpret_cast<int*>(bytes + 16);
  if (thread_index() == 0) {
    init_barrier(full, 1);
    init_barrier(free, 32);
  }
  sync_threads();
  int sum = 0;
  for (int round = 0; round < rounds; ++round) {
    if (thread_index() == 0) {
      if (waits_for_room) wait_for_phase(free, round % 2 ^ 1);
      *value = 1 << round;
      arrive(full);
    } else if (thread_index() >= 32) {
      if (waits_for_value) wait_for_phase(full, round % 2);
      sum += *value;
      arrive(free);
    }
  }
  if (thread_index() >= 32) out[thread_index() - 32] = sum;
}

std::set<std::vector<int>> results_of_handing_over(bool value, bool room) {
  std::set<std::vector<int>> results;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::vector<int> out(32);
    try {
      run(seed, 64, 32, hand_over, out.data(), 7, value, room);
    } catch (const Error&) {
      out = {-1};  // who runs ahead of a phase may wait for ever
    }
    results.insert(out);
  }
  return results;
}

BURGEON_KERNEL(64, 1) use_barrier_too_early() {
  BURGEON_DYNAMIC_SHARED(bytes);
  if (thread_index() == 0) init_barrier(shared_address(bytes), 64);
  arrive(shared_address(bytes));
}

BURGEON_KERNEL(64, 1) wait_in_vain(int arrivals, int bytes_expected) {
  BURGEON_DYNAMIC_SHARED(bytes);
  if (thread_index() == 0) init_barrier(shared_address(bytes), arrivals);
  sync_threads();
  if (thread_index() < 32) {
    arrive_expecting(shared_address(bytes), bytes_expected);
  } else {
    wait_for_phase(shared_address(bytes), 0);
  }
}

// Each half of the block passes values within itself.
BURGEON_KERNEL(128, 1) halves(int* out, bool barrier, int threads) {
  BURGEON_SHARED(int, values, 128);
  const int half = thread_index() / 64;
  values[thread_index()] = thread_index();
  if (barrier) sync_some(1 + half, threads);
  out[thread_index()] = values[half * 64 + (thread_index() + 1) % 64];
}

}  // namespace

TEST(cuda_barriers_in_shared_memory_order_what_was_written) {
  const auto results = results_of_handing_over(true, true);
  CHECK(results.size() == 1);
  for (const int sum : *results.begin()) CHECK(sum == 127);
  CHECK(results_of_handing_over(false, true) != results);
  CHECK(results_of_handing_over(true, false) != results);
}

TEST(cuda_barriers_in_shared_memory_find_mistakes) {
  CHECK(contains(error_of(64, 32, use_barrier_too_early), "used before it is initialized"));
  CHECK(error_of(64, 32, wait_in_vain, 32, 0).empty());
  CHECK(contains(error_of(64, 32, wait_in_vain, 33, 0), "waits at a barrier in shared memory"));
  CHECK(contains(error_of(64, 32, wait_in_vain, 32, 16), "waits at a barrier in shared memory"));
}

TEST(cuda_named_barriers_are_of_some_threads) {
  std::set<std::vector<int>> without;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::vector<int> out(128);
    run(seed, 128, 0, halves, out.data(), true, 64);
    for (int i = 0; i < 128; ++i) CHECK(out[i] == i / 64 * 64 + (i + 1) % 64);
    run(seed, 128, 0, halves, out.data(), false, 64);
    without.insert(out);
  }
  CHECK(without.size() > kSeeds / 2);
  std::vector<int> out(128);
  CHECK(contains(error_of(128, 0, halves, out.data(), true, 96), "waits at a named barrier"));
}

namespace {

// out: the tile as it lies in shared memory, 16-bit words as integers.
BURGEON_KERNEL(32, 1)
load_tile(int* out, BURGEON_TENSOR_MAP(map), int rows, int column, int row, int batch, bool waits) {
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress tile = shared_address(bytes);
  const SharedAddress barrier = tile + rows * kTileRowBytes;
  if (thread_index() == 0) {
    init_barrier(barrier, 1);
    fence_barriers();
    arrive_expecting(barrier, rows * kTileRowBytes);
    load_tile_async(tile, map, column, row, batch, barrier);
  }
  sync_warp();
  if (waits) wait_for_phase(barrier, 0);
  for (int i = thread_index(); i < rows * kTileColumns; i += 32) out[i] = reinterpret_cast<uint16_t*>(bytes)[i];
  if (!waits) wait_for_phase(barrier, 0);
}

BURGEON_KERNEL(32, 1) load_wrongly(BURGEON_TENSOR_MAP(map), int which) {
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress tile = shared_address(bytes);
  const SharedAddress barrier = tile + 1024;
  if (thread_index() != 0) return;
  init_barrier(barrier, 1);
  if (which != 0) fence_barriers();
  arrive_expecting(barrier, 1024);
  load_tile_async(tile + (which == 1 ? 16 : which == 2 ? 1024 : 0), map, 0, 0, 0, barrier);
  if (which != 3) wait_for_phase(barrier, 0);
}

}  // namespace

TEST(cuda_tiles_are_swizzled_and_zero_beyond_the_matrix) {
  const Sm90 device;
  constexpr int64_t kColumns = 70;
  constexpr int64_t kRows = 20;
  constexpr int64_t kStride = 80;
  std::vector<uint16_t> matrix(2 * kRows * kStride + 8);
  for (size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<uint16_t>(i + 1);
  void* block = nullptr;
  CHECK(posix_memalign(&block, 16, matrix.size() * 2) == 0);
  const std::unique_ptr<void, void (*)(void*)> owner(block, std::free);
  std::memcpy(block, matrix.data(), matrix.size() * 2);
  const auto* data = static_cast<const bfloat16*>(block);
  struct Corner {
    int column, row, batch;
  };
  for (const Corner& corner : {Corner{0, 0, 0}, {8, 16, 1}, {-8, -3, 0}, {3, 5, 1}, {64, 19, 0}, {0, 0, 2}}) {
    for (const int rows : {8, 24}) {
      const TensorMap map = tensor_map(data, {kColumns, kRows, kStride, 2, kRows * kStride}, rows);
      for (uint64_t seed = 0; seed < 6; ++seed) {
        std::vector<int> out(rows * 64);
        run(seed, 32, rows * 128 + 8, load_tile, out.data(), map, rows, corner.column, corner.row, corner.batch, true);
        for (int r = 0; r < rows; ++r) {
          for (int c = 0; c < 64; ++c) {
            const int64_t row = corner.row + r;
            const int64_t column = corner.column + c;
            const bool there = row >= 0 && row < kRows && column >= 0 && column < kColumns && corner.batch < 2;
            const int expected = there ? matrix[(corner.batch * kRows + row) * kStride + column] : 0;
            CHECK(out[r * 64 + ((c / 8) ^ (r % 8)) * 8 + c % 8] == expected);
          }
        }
      }
    }
  }
  const TensorMap map = tensor_map(data, {kColumns, kRows, kStride}, 8);
  int unarrived = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::vector<int> out(8 * 64);
    run(seed, 32, 1024 + 8, load_tile, out.data(), map, 8, 0, 0, 0, false);
    unarrived += out[0] == 0xffff;
  }
  CHECK(unarrived > kSeeds / 4 && unarrived < kSeeds);
  CHECK(contains(error_of(32, 1032, load_wrongly, map, 0), "before a fence"));
  CHECK(contains(error_of(32, 1032, load_wrongly, map, 1), "a tile needs an address that is a multiple of 128"));
  CHECK(contains(error_of(32, 1032, load_wrongly, map, 2), "outside of the dynamic shared memory"));
  CHECK(contains(error_of(32, 1032, load_wrongly, map, 3), "ended before its tiles were waited for"));
}

TEST(cuda_tensor_maps_are_refused_where_there_are_none) {
  alignas(16) const bfloat16 data[64] = {};
  const auto refused = [](const bfloat16* at, const TensorShape& shape, int rows) {
    try {
      tensor_map(at, shape, rows);
    } catch (const Error& error) {
      return contains(error.what(), "no tensor map");
    }
    return false;
  };
  CHECK(!refused(data, {5, 2, 8}, 8));
  CHECK(refused(data + 1, {5, 2, 8}, 8));
  CHECK(refused(data, {5, 2, 9}, 8));
  CHECK(refused(data, {5, 2, 8}, 257));
  CHECK(refused(data, {0, 2, 8}, 8));
  CHECK(refused(data, {5, 2, 8, 2, 17}, 8));
}

namespace {

constexpr int kDepth = 64;

// d (128, kLanes) = two products after each other of a (128 lanes) and b (kLanes), the shared dimension 64 long, by two
// warpgroups. `mistake`: 0 none, 1 accumulators are read before the wait, 2 b is overwritten before it, 3 nobody
// begins, 4 nobody waits, 5 the warps of a warpgroup order different products.
template <bool kAcrossA, bool kAcrossB, int kLanes>
BURGEON_KERNEL(256, 1)
multiply_tiles(float* d, BURGEON_TENSOR_MAP(map_a), BURGEON_TENSOR_MAP(map_b), int mistake) {
  using A = SwizzledTile<kAcrossA ? 128 : kDepth, kAcrossA ? kDepth : 128>;
  using B = SwizzledTile<kAcrossB ? kLanes : kDepth, kAcrossB ? kDepth : kLanes>;
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress a = shared_address(bytes);
  const SharedAddress b = a + A::kBytes;
  const SharedAddress barrier = b + B::kBytes;
  if (thread_index() == 0) {
    init_barrier(barrier, 1);
    fence_barriers();
    arrive_expecting(barrier, A::kBytes + B::kBytes);
    A::load(a, map_a, 0, 0, 0, barrier);
    B::load(b, map_b, 0, 0, 0, barrier);
  }
  sync_threads();
  wait_for_phase(barrier, 0);
  float sums[kLanes / 8][4];
  for (auto& fragment : sums) {
    for (float& sum : fragment) sum = 1;
  }
  const int row = thread_index() / kWarpgroup * 64;
  if (mistake != 3) begin_products(sums);
  for (int round = 0; round < 2; ++round) {
    for (int k = 0; k < kDepth; k += 16) {
      const int at = mistake == 5 && thread_index() / kWarpSize == 2 ? (k + 16) % kDepth : k;
      multiply_async<kAcrossA, kAcrossB>(sums, kAcrossA ? A::across(a, row, at) : A::down(a, at, row),
                                         kAcrossB ? B::across(b, 0, at) : B::down(b, at, 0), round > 0 || k > 0);
    }
    commit_products();
  }
  if (mistake == 2) std::memset(bytes + A::kBytes + thread_index() * 16, 0, 16);
  const float early = sums[0][0];
  if (mistake != 4) wait_for_products<0>(sums);
  for (int n = 0; n < kLanes / 8; ++n) {
    for (int i = 0; i < 4; ++i) {
      d[(row + quad_row(i / 2)) * kLanes + n * 8 + thread_index() % 4 * 2 + i % 2] = sums[n][i];
    }
  }
  if (mistake == 1) d[(row + quad_row(0)) * kLanes + thread_index() % 4 * 2] = early;
}

template <bool kAcrossA, bool kAcrossB, int kLanes>
void check_products(Random& random) {
  const Floats a = random.integers(128 * kDepth);
  const Floats b = random.integers(kLanes * kDepth);
  Memory a_in = test::memory<bfloat16>(a);
  Memory b_in = test::memory<bfloat16>(b);
  const auto map = [](Memory& memory, bool across, int64_t lanes) {
    const TensorShape shape = across ? TensorShape{kDepth, lanes, kDepth} : TensorShape{lanes, kDepth, lanes};
    return tensor_map(memory.as<bfloat16>(), shape, static_cast<int>(across ? lanes : kDepth));
  };
  const TensorMap map_a = map(a_in, kAcrossA, 128);
  const TensorMap map_b = map(b_in, kAcrossB, kLanes);
  const size_t shared = (128 + kLanes) * 128 + 8;
  const auto kernel = multiply_tiles<kAcrossA, kAcrossB, kLanes>;
  Floats expected(128 * kLanes);
  for (int i = 0; i < 128; ++i) {
    for (int j = 0; j < kLanes; ++j) {
      for (int k = 0; k < kDepth; ++k) {
        expected[i * kLanes + j] +=
            2 * a[kAcrossA ? i * kDepth + k : k * 128 + i] * b[kAcrossB ? j * kDepth + k : k * kLanes + j];
      }
    }
  }
  for (uint64_t seed = 0; seed < 3; ++seed) {
    Floats d(128 * kLanes);
    run(seed, 256, shared, kernel, d.data(), map_a, map_b, 0);
    CHECK(d == expected);
  }
  if (kLanes != 64) return;
  int differ = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Floats d(128 * kLanes);
    run(seed, 256, shared, kernel, d.data(), map_a, map_b, 1);
    CHECK(std::isnan(d[0]) && d[2 * kLanes + 8] == expected[2 * kLanes + 8]);
    run(seed, 256, shared, kernel, d.data(), map_a, map_b, 2);
    differ += d != expected;
  }
  CHECK(differ > 3);
  Floats d(128 * kLanes);
  CHECK(contains(error_of(256, shared, kernel, d.data(), map_a, map_b, 3), "need begin_products"));
  CHECK(contains(error_of(256, shared, kernel, d.data(), map_a, map_b, 4), "before its products were waited for"));
  CHECK(contains(error_of(256, shared, kernel, d.data(), map_a, map_b, 5), "ordered different products"));
}

// d (64, 64) += a (64, 32) b (32, 64) with a in registers, loaded element by element as the PTX manual's figures show.
// `overwrites`: the registers are changed before the wait.
BURGEON_KERNEL(128, 1) multiply_registers(float* d, const float* a, BURGEON_TENSOR_MAP(map_b), bool overwrites) {
  using B = SwizzledTile<32, 64>;
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress b = shared_address(bytes);
  const SharedAddress barrier = b + B::kBytes;
  if (thread_index() == 0) {
    init_barrier(barrier, 1);
    fence_barriers();
    arrive_expecting(barrier, B::kBytes);
    B::load(b, map_b, 0, 0, 0, barrier);
  }
  sync_threads();
  wait_for_phase(barrier, 0);
  const int row = thread_index() / 32 * 16 + (thread_index() & 31) / 4;
  const int pair = (thread_index() & 3) * 2;
  uint32_t left[2][4];
  for (int k = 0; k < 2; ++k) {
    for (int r = 0; r < 4; ++r) {
      const float* from = a + (row + r % 2 * 8) * 32 + k * 16 + r / 2 * 8 + pair;
      left[k][r] = pack_bfloat16(from[0], from[1]);
    }
  }
  float sums[8][4] = {};
  begin_products(sums, left);
  for (int k = 0; k < 2; ++k) multiply_async<false>(sums, left[k], B::down(b, k * 16, 0), true);
  commit_products();
  if (overwrites) left[1][0] = 0;
  wait_for_products<0>(sums, left);
  for (int n = 0; n < 8; n += 4) {
    for (int half = 0; half < 2; ++half) {
      float v[8];
      const int column = quad_columns(v, sums, n, half);
      for (int i = 0; i < 8; ++i) d[quad_row(half) * 64 + column + i] = v[i];
    }
  }
  sync_warp();
  for (int n = 0; n < 8; n += 2) {
    for (int half = 0; half < 2; ++half) {
      float v[4];
      const int column = quad_columns(v, sums, n, half);
      for (int i = 0; i < 4; ++i) {
        if (d[quad_row(half) * 64 + column + i] != v[i]) d[quad_row(half) * 64 + column + i] = NAN;
      }
    }
  }
}

}  // namespace

TEST(cuda_products_of_warpgroups_match_loops) {
  const Sm90 device;
  Random random(5);
  check_products<true, true, 64>(random);
  check_products<true, false, 64>(random);
  check_products<false, true, 64>(random);
  check_products<false, false, 64>(random);
  check_products<true, true, 256>(random);
  check_products<true, false, 256>(random);
  check_products<false, false, 128>(random);
}

TEST(cuda_products_take_registers_when_they_are_made) {
  const Sm90 device;
  Random random(6);
  const Floats a = random.integers(64 * 32);
  const Floats b = random.integers(32 * 64);
  Memory b_in = test::memory<bfloat16>(b);
  const TensorMap map = tensor_map(b_in.as<bfloat16>(), {64, 32, 64}, 32);
  Floats expected(64 * 64);
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 64; ++j) {
      for (int k = 0; k < 32; ++k) expected[i * 64 + j] += a[i * 32 + k] * b[k * 64 + j];
    }
  }
  int differ = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Floats d(64 * 64);
    run(seed, 128, 32 * 128 + 8, multiply_registers, d.data(), a.data(), map, false);
    CHECK(d == expected);
    run(seed, 128, 32 * 128 + 8, multiply_registers, d.data(), a.data(), map, true);
    differ += d != expected;
  }
  CHECK(differ > 0);
}

}  // namespace burgeon::cuda
