// kernels/cuda/device.cuh for the GPU: each function is one instruction or one call of the CUDA runtime.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "core/error.h"

#define BURGEON_KERNEL(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
#define BURGEON_DEVICE __device__ __forceinline__
#define BURGEON_SHARED(type, name, count) __shared__ type name[count]
#define BURGEON_DYNAMIC_SHARED(name) extern __shared__ __align__(128) char name[]

namespace burgeon::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(ErrorCode::kCuda, std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}

// Blocks may ask for this much without being allowed to first.
constexpr size_t kDefaultSharedBytes = 48 * 1024;

template <class... Parameters, class... Arguments>
void launch(Stream stream, Grid grid, int threads, size_t shared_bytes, void (*kernel)(Parameters...),
            Arguments... arguments) {
  if (grid.x <= 0 || grid.y <= 0 || grid.z <= 0) return;
  if (shared_bytes > kDefaultSharedBytes) {
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          "shared memory of a kernel");
  }
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
  cudaGetLastError();  // an older one is not this launch's
  kernel<<<blocks, static_cast<unsigned>(threads), shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
  check(cudaGetLastError(), "launch of a kernel");
  ++launch_count();
}

BURGEON_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
BURGEON_DEVICE int block_threads() { return static_cast<int>(blockDim.x); }
BURGEON_DEVICE int block_x() { return static_cast<int>(blockIdx.x); }
BURGEON_DEVICE int block_y() { return static_cast<int>(blockIdx.y); }
BURGEON_DEVICE int block_z() { return static_cast<int>(blockIdx.z); }
BURGEON_DEVICE int grid_x() { return static_cast<int>(gridDim.x); }
BURGEON_DEVICE int grid_y() { return static_cast<int>(gridDim.y); }
BURGEON_DEVICE int grid_z() { return static_cast<int>(gridDim.z); }

BURGEON_DEVICE void sync_threads() { __syncthreads(); }
BURGEON_DEVICE void sync_warp() { __syncwarp(); }

template <class T>
BURGEON_DEVICE T shuffle(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}
template <class T>
BURGEON_DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

template <int N>
BURGEON_DEVICE Words<N> load_words(const void* from) {
  static_assert(N == 1 || N == 2 || N == 4, "what a load can move");
  if constexpr (N == 1) {
    return {{*static_cast<const uint32_t*>(from)}};
  } else if constexpr (N == 2) {
    const uint2 v = *static_cast<const uint2*>(from);
    return {{v.x, v.y}};
  } else {
    const uint4 v = *static_cast<const uint4*>(from);
    return {{v.x, v.y, v.z, v.w}};
  }
}
template <int N>
BURGEON_DEVICE void store_words(void* to, const Words<N>& v) {
  static_assert(N == 1 || N == 2 || N == 4, "what a store can move");
  if constexpr (N == 1) {
    *static_cast<uint32_t*>(to) = v.words[0];
  } else if constexpr (N == 2) {
    *static_cast<uint2*>(to) = make_uint2(v.words[0], v.words[1]);
  } else {
    *static_cast<uint4*>(to) = make_uint4(v.words[0], v.words[1], v.words[2], v.words[3]);
  }
}

using SharedAddress = uint32_t;
BURGEON_DEVICE SharedAddress shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// Of 16 bytes past the first-level cache: nobody else in the block reads them.
template <int kBytes>
BURGEON_DEVICE void copy_async(SharedAddress to, const void* from, int bytes = kBytes) {
  static_assert(kBytes == 4 || kBytes == 16, "what kernels copy");
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
  }
}
BURGEON_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kGroupsLeft>
BURGEON_DEVICE void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroupsLeft) : "memory");
}

BURGEON_DEVICE void load_matrices(uint32_t (&r)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
BURGEON_DEVICE void load_matrices_transposed(uint32_t (&r)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

BURGEON_DEVICE void multiply_add_bf16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

BURGEON_DEVICE float widen(bfloat16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }
BURGEON_DEVICE bfloat16 narrow_bfloat16(float x) {
  bfloat16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(x));
  return result;
}
// The first in the lower half.
BURGEON_DEVICE uint32_t pack_bfloat16(float low, float high) {
  uint32_t result;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
}

BURGEON_DEVICE float from_word(uint32_t bits) { return __uint_as_float(bits); }
BURGEON_DEVICE uint32_t to_word(float x) { return __float_as_uint(x); }

BURGEON_DEVICE float exp2_fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
BURGEON_DEVICE float reciprocal_fast(float x) {
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
BURGEON_DEVICE float exp_fast(float x) { return __expf(x); }
BURGEON_DEVICE float log_accurate(float x) { return logf(x); }
BURGEON_DEVICE float square_root(float x) { return sqrtf(x); }
BURGEON_DEVICE float reciprocal_sqrt(float x) { return rsqrtf(x); }
BURGEON_DEVICE float larger(float a, float b) { return fmaxf(a, b); }
BURGEON_DEVICE float fused_multiply_add(float a, float b, float c) { return fmaf(a, b, c); }

}  // namespace burgeon::cuda

#include "kernels/cuda/nvcc/async.cuh"
