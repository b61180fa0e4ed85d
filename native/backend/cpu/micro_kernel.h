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

// The part of a small product that rows i.. of a register tile need: columns [0, cols) and depth [begin, end).
struct Span {
  int64_t cols;
  int64_t begin;
  int64_t end;
};

// C[i, j] (+)= sum_k A[i, k] B[k, j] over the span of each register tile, for a small unpacked product whose B rows are
// readable up to a multiple of kTileCols columns (the caller pads) and whose C holds whole tiles too. `rows` is a
// multiple of kTileRows.
//   a: element (i, k) at a[i * a_row + k * a_step];  b: row k at b + k * b_row;  c: row i at c + i * c_row.
// span(i) depends on i / kTileRows only.
template <class SpanOf>
inline void multiply_small(int64_t rows, SpanOf span, const float* a, int64_t a_row, int64_t a_step, const float* b,
                           int64_t b_row, float* c, int64_t c_row, bool add) {
  for (int64_t i = 0; i < rows; i += kTileRows) {
    const Span s = span(i);
    const float* first = a + i * a_row + s.begin * a_step;
    for (int64_t j = 0; j < s.cols; j += kTileCols) {
      const Tile<kTileRows> tile =
          multiply_tile<kTileRows>(s.end - s.begin, first, a_row, a_step, b + s.begin * b_row + j, b_row);
#pragma GCC unroll 16
      for (int r = 0; r < kTileRows; ++r) {
        float* out = c + (i + r) * c_row + j;
#pragma GCC unroll 4
        for (int v = 0; v < kTileVecs; ++v) {
          store(out + v * kWidth, add ? load(out + v * kWidth) + tile.at[r][v] : tile.at[r][v]);
        }
      }
    }
  }
}

}  // namespace burgeon::BURGEON_ISA
