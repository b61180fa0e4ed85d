// The micro-tile of every matrix product: mr x nr (kVectorMr x kVectorNr) accumulators kept in registers, one broadcast
// of A and one row of B per step of k. A is read with arbitrary strides (packed panels,
// activations or their transpose), B as rows of at least kVectorNr contiguous floats.
#pragma once

#include "kernels/cpu/operand.h"

namespace burgeon::BURGEON_ISA {

// Accumulators: 12 of 16 registers with SSE2 and AVX2, 24 of 32 with AVX-512 and NEON; the rest hold B and a broadcast.
constexpr int kVectorsPerRow = 2;
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kVectorMr = 12;
#else
constexpr int kVectorMr = 6;
#endif
constexpr int kVectorNr = kVectorsPerRow * kWidth;

template <int Mr>
struct MicroTile {
  Vec at[Mr][kVectorsPerRow];
};

// tile[i][j] = sum_k a[i * a_row + k * a_step] * b[k * b_row + j], k ascending; k counts units of the operand format.
template <int Mr, class Operand = Float32>
BURGEON_INLINE MicroTile<Mr> multiply_micro_tile(int64_t depth, const float* a, int64_t a_row, int64_t a_step,
                                                 const float* b, int64_t b_row) {
  MicroTile<Mr> tile;
#pragma GCC unroll 16
  for (int i = 0; i < Mr; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectorsPerRow; ++j) tile.at[i][j] = Vec{};  // as an aggregate it would be cleared in memory
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vec row[kVectorsPerRow];
#pragma GCC unroll 4
    for (int j = 0; j < kVectorsPerRow; ++j) row[j] = load(b + j * kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < Mr; ++i) {
      const Vec value = Operand::broadcast(a + i * a_row);
#pragma GCC unroll 4
      for (int j = 0; j < kVectorsPerRow; ++j) Operand::multiply_add(tile.at[i][j], value, row[j]);
    }
    a += a_step;
    b += b_row;
  }
  return tile;
}

// Assigns the tile to rows of stride `row`, or adds it to them.
template <int Mr>
BURGEON_INLINE void store_micro_tile(const MicroTile<Mr>& tile, float* to, int64_t row, bool adds) {
#pragma GCC unroll 16
  for (int i = 0; i < Mr; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectorsPerRow; ++j) {
      float* at = to + i * row + j * kWidth;
      store(at, adds ? load(at) + tile.at[i][j] : tile.at[i][j]);
    }
  }
}

}  // namespace burgeon::BURGEON_ISA
