// The part of kernels/cuda/device.cuh that only sm_90a has, on the host (host/async_units.h).
#pragma once

#include "kernels/cuda/host/async_units.h"

#define BURGEON_TILE_SHARED(name) BURGEON_DYNAMIC_SHARED(name)
#define BURGEON_TENSOR_MAP(name) const TensorMap name

namespace burgeon::cuda {

inline uint32_t shared_offset(SharedAddress p) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(p) % host::kSharedWindow);
}

inline void init_barrier(SharedAddress barrier, int arrivals) {
  host::Block::current().units().init_barrier(barrier, arrivals);
}
inline void fence_barriers() { host::Block::current().units().fence_barriers(); }
inline void arrive(SharedAddress barrier) { host::Block::current().units().arrive(barrier, 0); }
inline void arrive_expecting(SharedAddress barrier, int bytes) {
  host::Block::current().units().arrive(barrier, bytes);
}
inline void wait_for_phase(SharedAddress barrier, int parity) {
  host::Block::current().units().wait_for_phase(barrier, parity);
}
inline void load_tile_async(SharedAddress to, const TensorMap& map, int column, int row, int batch,
                            SharedAddress barrier) {
  host::Block::current().units().load_tile(to, map, column, row, batch, barrier);
}

inline void fence_tiles() { host::Block::current().units().fence_tiles(); }

namespace host {

// Of a warp, whose lanes come together.
void store_matrices(const uint32_t (&r)[4], char* row);
void begin_products();
void multiply_async(const ProductOperands& mine);
void commit_products();
void wait_for_products(int groups_left);

}  // namespace host

inline void store_matrices(SharedAddress row, const uint32_t (&r)[4]) { host::store_matrices(r, row); }
template <class... Registers>
void begin_products(Registers&...) {
  host::begin_products();
}
inline void commit_products() { host::commit_products(); }
template <int kGroupsLeft, class... Registers>
void wait_for_products(Registers&...) {
  host::wait_for_products(kGroupsLeft);
}
template <bool kAcrossA, bool kAcrossB, int N>
void multiply_async(float (&sums)[N][4], uint64_t a, uint64_t b, bool accumulate) {
  host::multiply_async({8 * N, &sums[0][0], nullptr, a, b, kAcrossA, kAcrossB, accumulate});
}
template <bool kAcrossB, int N>
void multiply_async(float (&sums)[N][4], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  host::multiply_async({8 * N, &sums[0][0], a, 0, b, true, kAcrossB, accumulate});
}

template <int kRegisters>
void take_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256, "what setmaxnreg allows");
  host::Block::current().units().hold_registers(kRegisters);
  sync_warp();
}
template <int kRegisters>
void give_registers() {
  take_registers<kRegisters>();
}

inline void sync_some(int id, int threads) { host::Block::current().named_barrier(id, threads); }

}  // namespace burgeon::cuda
