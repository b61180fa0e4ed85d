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
//   load_words<n>, store_words                 n = 1, 2 or 4 words of 32 bits at once, at multiples of their size
//   copy_async, commit_copies, wait_for_copies<n>
//                                              cp.async of 16 bytes, zero beyond the `bytes` that are read
//   load_matrices, load_matrices_transposed    ldmatrix .x4: four 8 x 8 matrices of 16-bit elements
//   multiply_add_bf16                          mma.sync m16n8k16
//   narrow_bfloat16, pack_bfloat16; exp2_fast, exp_fast, log_accurate, reciprocal_fast, reciprocal_sqrt, larger,
//   fused_multiply_add                         fast: as exact as the unit for special functions
//
// All warp operations are for whole, converged warps. For sm_90a alone, whose kernels are files <name>_sm90.cu:
//
//   TensorMap tensor_map(data, shape, rows)    on the host: how tiles of `rows` rows of 64 columns are loaded
//   BURGEON_TILE_SHARED(name)                  BURGEON_DYNAMIC_SHARED, 1024-byte aligned
//   BURGEON_TENSOR_MAP(name)                   such a map as a parameter of a kernel
//   init_barrier(barrier, arrivals), fence_barriers()   8 bytes of shared memory; the fence before a load is given one
//   arrive, arrive_expecting(barrier, bytes)   the phase ends when all have arrived, threads and bytes
//   wait_for_phase(barrier, parity)            for the end of the phase whose number has this parity
//   load_tile_async(to, map, column, row, batch, barrier)   cp.async.bulk.tensor: zero where the matrix has nothing;
//                                              rows of 128 bytes, whose chunks of 16 are permuted by the 128-byte
//                                              swizzle
//   store_matrices(row, registers)             stmatrix .x4, the reverse of load_matrices; loads and products may use
//                                              what was stored after a fence_tiles() of each thread and a barrier
//   multiply_async<across...>(sums, a, b, accumulate)   wgmma.mma_async m64nNk16 of a warpgroup; a and b are matrix
//                                              descriptors, a also four registers; across: the shared dimension is
//                                              contiguous. Between begin_products(registers...) and
//   commit_products(), wait_for_products<groups left>(registers...) accumulators and registers must not be touched
//   take_registers<n>, give_registers<n>       setmaxnreg of a warpgroup
//   sync_some(id, threads)                     a barrier of whole warps, numbers 1 to 15
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bfloat16.h"
#include "kernels/cuda/stream.h"
#include "kernels/cuda/tensor_map.h"

namespace burgeon::cuda {

struct Grid {
  int64_t x = 1;
  int64_t y = 1;
  int64_t z = 1;
};

constexpr float kLog2E = 1.44269504088896340736f;

constexpr int kWarpSize = 32;
constexpr int kWarpgroup = 128;  // threads that share a product of sm_90a

// What one load or store moves; 16 bytes are the most there are.
template <int N>
struct Words {
  uint32_t words[N];
};

}  // namespace burgeon::cuda

#ifdef __CUDACC__
#include "kernels/cuda/nvcc/device.cuh"
#else
#include "kernels/cuda/host/device.h"
#endif

namespace burgeon::cuda {

TensorMap tensor_map(const bfloat16* data, const TensorShape& shape, int box_rows);

}  // namespace burgeon::cuda
