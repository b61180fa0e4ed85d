// The inner product of every matrix multiplication: a tile of kTileRows x kTileCols accumulators kept in registers, one
// broadcast of A and one row of B per step of the shared dimension. A is read with arbitrary strides (packed panels,
// activations or their transpose), B as rows of at least kTileCols contiguous floats.
#pragma once

#include "kernels/cpu/operand.h"

namespace burgeon::BURGEON_ISA {

// Accumulators: 12 of 16 registers with SSE2 and AVX2, 24 of 32 with AVX-512 and NEON; the rest hold B and a broadcast.
constexpr int kTileVecs = 2;
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 6;
#endif
constexpr int kTileCols = kTileVecs * kWidth;

template <int Rows>
struct Tile {
  Vec at[Rows][kTileVecs];
};

// tile[i][j] = sum_k a[i * a_row + k * a_step] * b[k * b_row + j], k ascending; k counts units of the operand format.
template <int Rows, class Operand = Float32>
BURGEON_INLINE Tile<Rows> multiply_tile(int64_t depth, const float* a, int64_t a_row, int64_t a_step, const float* b,
                                        int64_t b_row) {
  Tile<Rows> tile;
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kTileVecs; ++j) tile.at[i][j] = Vec{};  // as an aggregate it would be cleared in memory
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vec row[kTileVecs];
#pragma GCC unroll 4
    for (int j = 0; j < kTileVecs; ++j) row[j] = load(b + j * kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vec value = Operand::broadcast(a + i * a_row);
#pragma GCC unroll 4
      for (int j = 0; j < kTileVecs; ++j) Operand::multiply_add(tile.at[i][j], value, row[j]);
    }
    a += a_step;
    b += b_row;
  }
  return tile;
}

// Assigns the tile to rows of stride `row`, or adds it to them.
template <int Rows>
BURGEON_INLINE void store_tile(const Tile<Rows>& tile, float* to, int64_t row, bool adds) {
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kTileVecs; ++j) {
      float* at = to + i * row + j * kWidth;
      store(at, adds ? load(at) + tile.at[i][j] : tile.at[i][j]);
    }
  }
}

}  // namespace burgeon::BURGEON_ISA
