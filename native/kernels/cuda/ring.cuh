// A ring of stages in shared memory, which a producer fills and warps of consumers use up, both in the order of their
// steps: loads run ahead of what uses them as far as there are stages. Two barriers per stage say that it is full and
// that it is free again.
#pragma once

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

// By a whole warp: one lane arrives for all, after what each of them has read.
BURGEON_DEVICE void arrive_as_warp(SharedAddress barrier) {
  sync_warp();
  if (thread_index() % kWarpSize == 0) arrive(barrier);
}

template <int kStages, int kStageBytes>
struct Ring {
  static constexpr int kBytes = kStages * (kStageBytes + 16);
  static_assert(kStageBytes % 1024 == 0, "tiles begin at multiples of 1024 bytes");

  SharedAddress shared;

  // By one thread, before a fence and a barrier of the block. `fillers` threads arrive at a full stage.
  BURGEON_DEVICE void init(int fillers, int consumer_warps) const {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(full(stage), fillers);
      init_barrier(free(stage), consumer_warps);
    }
  }
  BURGEON_DEVICE SharedAddress stage(int step) const { return shared + step % kStages * kStageBytes; }
  BURGEON_DEVICE SharedAddress full(int step) const { return shared + kStages * kStageBytes + step % kStages * 16; }

  BURGEON_DEVICE void wait_until_free(int step) const { wait_for_phase(free(step), step / kStages % 2 ^ 1); }
  BURGEON_DEVICE void wait_until_full(int step) const { wait_for_phase(full(step), step / kStages % 2); }
  // By a warp that has used up a stage.
  BURGEON_DEVICE void release(int step) const { arrive_as_warp(free(step)); }

 private:
  BURGEON_DEVICE SharedAddress free(int step) const { return full(step) + 8; }
};

}  // namespace burgeon::cuda
