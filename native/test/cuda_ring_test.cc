// Rings of stages that one warp fills and another uses up, in every order of their lanes.
#include <set>

#include "kernels/cuda/ring.cuh"
#include "test/cuda_fixture.h"

namespace burgeon::cuda {

namespace {

using test::kSeeds;
using test::run;

// The first warp fills a ring whose stages the second reads across its lanes; without the release of a whole warp one
// lane frees a stage that others have still to read.
BURGEON_KERNEL(64, 1) pass_through_ring(int* out, int steps, bool as_warp) {
  BURGEON_TILE_SHARED(bytes);
  const Ring<2, 1024> ring{shared_address(bytes)};
  if (thread_index() == 0) {
    ring.init(kWarpSize, 1);
    fence_barriers();
  }
  sync_threads();
  const int lane = thread_index() % kWarpSize;
  int sum = 0;
  for (int step = 0; step < steps; ++step) {
    int* const stage = reinterpret_cast<int*>(ring.stage(step));
    if (thread_index() < kWarpSize) {
      ring.wait_until_free(step);
      stage[lane] = 1 << step;
      arrive(ring.full(step));
    } else {
      ring.wait_until_full(step);
      sum += stage[kWarpSize - 1 - lane];
      if (as_warp) {
        ring.release(step);
      } else if (lane == 0) {
        arrive(ring.full(step) + 8);
      }
    }
  }
  if (thread_index() >= kWarpSize) out[lane] = sum;
}

std::set<std::vector<int>> results_of_ring(bool as_warp) {
  std::set<std::vector<int>> results;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::vector<int> out(kWarpSize);
    try {
      run(seed, 64, Ring<2, 1024>::kBytes, pass_through_ring, out.data(), 9, as_warp);
    } catch (const Error&) {
      out = {-1};
    }
    results.insert(out);
  }
  return results;
}

}  // namespace

TEST(cuda_rings_are_released_by_whole_warps) {
  CHECK(results_of_ring(true) == std::set<std::vector<int>>{std::vector<int>(kWarpSize, 511)});
  CHECK(results_of_ring(false) != results_of_ring(true));
}

}  // namespace burgeon::cuda
