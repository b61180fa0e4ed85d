// The part of kernels/cuda/device.cuh that only sm_90a has, for the GPU: each function is one instruction.
#pragma once

#include "kernels/cuda/tensor_map.h"

#define BURGEON_TILE_SHARED(name) extern __shared__ __align__(1024) char name[]
#define BURGEON_TENSOR_MAP(name) const __grid_constant__ TensorMap name

namespace burgeon::cuda {

// What the driver makes of a TensorShape.
struct alignas(128) TensorMap {
  uint64_t words[16];
};

BURGEON_DEVICE uint32_t shared_offset(SharedAddress p) { return p; }

BURGEON_DEVICE void init_barrier(SharedAddress barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// The units that load tiles see what this thread wrote to shared memory.
BURGEON_DEVICE void fence_barriers() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
BURGEON_DEVICE void arrive(SharedAddress barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
BURGEON_DEVICE void arrive_expecting(SharedAddress barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
BURGEON_DEVICE void wait_for_phase(SharedAddress barrier, int parity) {
  uint32_t over;
  do {
    asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                 : "=r"(over)
                 : "r"(barrier), "r"(parity)
                 : "memory");
  } while (!over);
}

BURGEON_DEVICE void load_tile_async(SharedAddress to, const TensorMap& map, int column, int row, int batch,
                                    SharedAddress barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::
          "r"(to),
      "l"(&map), "r"(column), "r"(row), "r"(batch), "r"(barrier)
      : "memory");
}

BURGEON_DEVICE void store_matrices(SharedAddress row, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row), "r"(r[0]), "r"(r[1]),
               "r"(r[2]), "r"(r[3])
               : "memory");
}
// The same fence, for what multiplies.
BURGEON_DEVICE void fence_tiles() { fence_barriers(); }

template <int kRegisters>
BURGEON_DEVICE void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
BURGEON_DEVICE void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

BURGEON_DEVICE void sync_some(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// ---- products

// Keeps the compiler from moving uses of registers over what stands before or after.
template <int N>
BURGEON_DEVICE void pin(float (&x)[N][4]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    asm volatile("" : "+f"(x[i][0]), "+f"(x[i][1]), "+f"(x[i][2]), "+f"(x[i][3])::"memory");
  }
}
template <int N>
BURGEON_DEVICE void pin(uint32_t (&x)[N][4]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    asm volatile("" : "+r"(x[i][0]), "+r"(x[i][1]), "+r"(x[i][2]), "+r"(x[i][3])::"memory");
  }
}

template <class... Registers>
BURGEON_DEVICE void begin_products(Registers&... registers) {
  (pin(registers), ...);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
BURGEON_DEVICE void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kGroupsLeft, class... Registers>
BURGEON_DEVICE void wait_for_products(Registers&... registers) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroupsLeft) : "memory");
  (pin(registers), ...);
}

// Operands of the assembler: accumulators %0 to %(N / 2 - 1).
#define BURGEON_SUMS_8(i)                                                                                             \
  "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3]), "+f"(sums[i + 1][0]), "+f"(sums[i + 1][1]), \
      "+f"(sums[i + 1][2]), "+f"(sums[i + 1][3])
#define BURGEON_SUMS_32(i) BURGEON_SUMS_8(i), BURGEON_SUMS_8(i + 2), BURGEON_SUMS_8(i + 4), BURGEON_SUMS_8(i + 6)
#define BURGEON_SUMS_64 BURGEON_SUMS_32(0), BURGEON_SUMS_32(8)
#define BURGEON_SUMS_128 BURGEON_SUMS_64, BURGEON_SUMS_32(16), BURGEON_SUMS_32(24)
#define BURGEON_NAMES_32                                                   \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define BURGEON_NAMES_64                                                             \
  BURGEON_NAMES_32                                                                   \
  ", "                                                                               \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define BURGEON_NAMES_128                                                                        \
  BURGEON_NAMES_64                                                                               \
  ", "                                                                                           \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define BURGEON_WGMMA(n, names, accumulate, operands)                                                                \
  "{.reg .pred p; setp.ne.b32 p, " accumulate ", 0; wgmma.mma_async.sync.aligned.m64n" n "k16.f32.bf16.bf16 {" names \
  "}, " operands ";}"

template <bool kAcrossA, bool kAcrossB, int N>
BURGEON_DEVICE void multiply_async(float (&sums)[N][4], uint64_t a, uint64_t b, bool accumulate) {
  static_assert(N == 8 || N == 16 || N == 32, "what kernels multiply");
  const int adds = accumulate;
  constexpr int kTransposedA = !kAcrossA;
  constexpr int kTransposedB = !kAcrossB;
  if constexpr (N == 8) {
    asm volatile(BURGEON_WGMMA("64", BURGEON_NAMES_32, "%34", "%32, %33, p, 1, 1, %35, %36")
                 : BURGEON_SUMS_32(0)
                 : "l"(a), "l"(b), "r"(adds), "n"(kTransposedA), "n"(kTransposedB));
  } else if constexpr (N == 16) {
    asm volatile(BURGEON_WGMMA("128", BURGEON_NAMES_64, "%66", "%64, %65, p, 1, 1, %67, %68")
                 : BURGEON_SUMS_64
                 : "l"(a), "l"(b), "r"(adds), "n"(kTransposedA), "n"(kTransposedB));
  } else {
    asm volatile(BURGEON_WGMMA("256", BURGEON_NAMES_128, "%130", "%128, %129, p, 1, 1, %131, %132")
                 : BURGEON_SUMS_128
                 : "l"(a), "l"(b), "r"(adds), "n"(kTransposedA), "n"(kTransposedB));
  }
}
template <bool kAcrossB, int N>
BURGEON_DEVICE void multiply_async(float (&sums)[N][4], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  static_assert(N == 8 || N == 16, "what kernels multiply");
  const int adds = accumulate;
  constexpr int kTransposedB = !kAcrossB;
  if constexpr (N == 8) {
    asm volatile(BURGEON_WGMMA("64", BURGEON_NAMES_32, "%37", "{%32, %33, %34, %35}, %36, p, 1, 1, %38")
                 : BURGEON_SUMS_32(0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds), "n"(kTransposedB));
  } else {
    asm volatile(BURGEON_WGMMA("128", BURGEON_NAMES_64, "%69", "{%64, %65, %66, %67}, %68, p, 1, 1, %70")
                 : BURGEON_SUMS_64
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds), "n"(kTransposedB));
  }
}

#undef BURGEON_SUMS_8
#undef BURGEON_SUMS_32
#undef BURGEON_SUMS_64
#undef BURGEON_SUMS_128
#undef BURGEON_NAMES_32
#undef BURGEON_NAMES_64
#undef BURGEON_NAMES_128
#undef BURGEON_WGMMA

}  // namespace burgeon::cuda
