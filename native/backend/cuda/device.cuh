// All that kernels use of CUDA. It has two implementations: nvcc/device.cuh for the GPU, and host/device.h, with which
// a plain C++ compiler makes of the same kernels functions that run on the host, so that tests need no GPU. Both
// define:
//
//   BURGEON_KERNEL(threads, blocks)            a kernel launched with at most `threads` per block, at least `blocks` of
//                                              which are to fit on a multiprocessor
//   BURGEON_DEVICE                             a function of the device, inlined
//   BURGEON_SHARED(type, name, count)          an array shared by the block
//   BURGEON_DYNAMIC_SHARED(name)               char* to the shared bytes that the launch asked for, 128-byte aligned
//   Grid{x, y, z}, launch(stream, grid, threads, shared_bytes, kernel, arguments...)   throws Error
//   thread_index(), block_threads(), block_x() .. block_z(), grid_x() .. grid_z()
//   sync_threads(), sync_warp(), shuffle(value, lane), shuffle_xor(value, mask)
//   load_words<n>, store_words                 n = 1, 2 or 4 words of 32 bits at once, addresses multiples of their
//   size copy_async, commit_copies, wait_for_copies<n>          cp.async of 16 bytes, zero beyond the `bytes` that are
//   read load_matrices, load_matrices_transposed    ldmatrix .x4: four 8 x 8 matrices of 16-bit elements
//   multiply_add_bf16                          mma.sync m16n8k16
//   to_bfloat16, pack_bfloat16; exp2_fast, exp_fast, log_fast, reciprocal_sqrt, fused_multiply_add
//
// All warp operations are for whole, converged warps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/stream.h"
#include "core/bfloat16.h"

namespace burgeon::cuda {

struct Grid {
  int64_t x = 1;
  int64_t y = 1;
  int64_t z = 1;
};

constexpr int kWarpSize = 32;

// What one load or store moves; 16 bytes are the most there are.
template <int N>
struct Words {
  uint32_t words[N];
};

}  // namespace burgeon::cuda

#ifdef __CUDACC__
#include "backend/cuda/nvcc/device.cuh"
#else
#include "backend/cuda/host/device.h"
#endif
