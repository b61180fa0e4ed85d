// Tiles of bfloat16 in shared memory, and the fragments that tensor-core instructions take from them.
#pragma once

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

// kRows rows of kColumns elements, in chunks of 16 bytes, permuted within a row so that the eight rows that
// load_matrices reads together lie in different banks. Copied by kThreads threads.
template <int kRows, int kColumns, int kThreads>
struct SharedTile {
  static constexpr int kChunks = kColumns / 8;
  static constexpr int kBytes = kRows * kColumns * 2;
  static_assert(kChunks == 4 || kChunks % 8 == 0, "rows of 64 bytes or of multiples of 128");
  static_assert(kRows * kChunks % kThreads == 0, "every thread copies as much");

  // Orders the copy of rows [row, row + kRows) and columns [column, column + kColumns) of a matrix; zero beyond its
  // `rows` and `columns`. A thread has one chunk of every kStep-th row, so that addresses grow by constants.
  BURGEON_DEVICE static void copy(SharedAddress tile, const bfloat16* from, int64_t stride, int row, int rows,
                                  int column, int columns) {
    constexpr int kStep = kThreads / kChunks;
    static_assert(kStep % 8 == 0, "the permutation is the same in all rows of a thread");
    const int r = thread_index() / kChunks;
    const int c = thread_index() % kChunks * 8;
    const int left = columns - (column + c);
    const int bytes = left >= 8 ? 16 : left > 0 ? left * 2 : 0;
    const bfloat16* source = from + (row + r) * stride + column + c;
    const SharedAddress to = tile + r * kPitch + permuted(r % 8, c / 8);
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i) {
      copy_async<16>(to + i * kStep * kPitch, source, row + r + i * kStep < rows ? bytes : 0);
      source += kStep * stride;
    }
  }

  // Fragments of multiply_add_bf16, 16 x 16 elements from (row, column) on, both multiples of 16. The left operand,
  // whose rows are rows or, transposed, columns of the tile:
  BURGEON_DEVICE static void left(uint32_t (&r)[4], SharedAddress tile, int row, int column) {
    load_matrices(r, address<0, 1>(tile, row, column));
  }
  BURGEON_DEVICE static void left_transposed(uint32_t (&r)[4], SharedAddress tile, int row, int column) {
    load_matrices_transposed(r, address<1, 0>(tile, row, column));
  }
  // The right operand, whose columns are rows or, transposed, columns of the tile: two fragments of 8 columns, each in
  // two registers.
  BURGEON_DEVICE static void right(uint32_t (&r)[4], SharedAddress tile, int row, int column) {
    load_matrices(r, address<1, 0>(tile, row, column));
  }
  BURGEON_DEVICE static void right_transposed(uint32_t (&r)[4], SharedAddress tile, int row, int column) {
    load_matrices_transposed(r, address<0, 1>(tile, row, column));
  }

 private:
  static constexpr int kPitch = kColumns * 2;

  // Where in its row a chunk lies, in bytes; `row` counts within eight.
  BURGEON_DEVICE static int permuted(int row, int chunk) { return (chunk ^ (kChunks == 4 ? row >> 1 : row)) * 16; }

  // Of the four matrices of a load, eight lanes name the rows of each. A matrix lies in the second half of the rows or
  // columns where the bit of its number that stands for them is set.
  template <int kRowBit, int kColumnBit>
  BURGEON_DEVICE static SharedAddress address(SharedAddress tile, int row, int column) {
    const int matrix = thread_index() % kWarpSize / 8;
    const int inner = thread_index() % 8;
    const int row_half = (matrix >> kRowBit & 1) * 8;
    const int column_half = matrix >> kColumnBit & 1;
    // The first chunk is even, so that everything that depends on the thread is computed once.
    return tile + (row_half + inner) * kPitch + row * kPitch + (permuted(inner, column_half) ^ column * 2);
  }
};

}  // namespace burgeon::cuda
