// The inner product of every matrix multiplication: a tile of kTileRows x kTileCols accumulators kept in registers, one
// broadcast of A and one row of B per step of the shared dimension. A is read with arbitrary strides (packed panels,
// activations or their transpose), B as rows of at least kTileCols contiguous floats.
#pragma once

#include "backend/cpu/operand.h"

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
  Tile<Rows> tile = {};
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

// C[i, j] (+)= sum_k A[i, k] B[k, j] for a small unpacked product whose B rows are readable up to a multiple of
// kTileCols columns (the caller pads) and whose C holds whole tiles too.
//   a: element (i, k) at a[i * a_row + k * a_step];  b: row k at b + k * b_row;  c: row i at c + i * c_row.
template <int Rows>
BURGEON_INLINE void multiply_rows(int64_t cols, int64_t depth, const float* a, int64_t a_row, int64_t a_step,
                                  const float* b, int64_t b_row, float* c, int64_t c_row, bool add) {
  for (int64_t j = 0; j < cols; j += kTileCols) {
    const Tile<Rows> tile = multiply_tile<Rows>(depth, a, a_row, a_step, b + j, b_row);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      float* out = c + i * c_row + j;
      for (int v = 0; v < kTileVecs; ++v) {
        store(out + v * kWidth, add ? load(out + v * kWidth) + tile.at[i][v] : tile.at[i][v]);
      }
    }
  }
}

inline void multiply_small(int64_t rows, int64_t cols, int64_t depth, const float* a, int64_t a_row, int64_t a_step,
                           const float* b, int64_t b_row, float* c, int64_t c_row, bool add) {
  int64_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) {
    multiply_rows<kTileRows>(cols, depth, a + i * a_row, a_row, a_step, b, b_row, c + i * c_row, c_row, add);
  }
  for (; i + 2 <= rows; i += 2) {
    multiply_rows<2>(cols, depth, a + i * a_row, a_row, a_step, b, b_row, c + i * c_row, c_row, add);
  }
  for (; i < rows; ++i) {
    multiply_rows<1>(cols, depth, a + i * a_row, a_row, a_step, b, b_row, c + i * c_row, c_row, add);
  }
}

}  // namespace burgeon::BURGEON_ISA
