// Tiles of bfloat16 in shared memory as tensor maps load them and products of warpgroups read them.
#pragma once

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

// kRows rows of kColumns elements, in slabs of 64 columns, each of one or more boxes of a tensor map made for kBoxRows
// rows. Begins at a multiple of 1024 bytes.
template <int kRows, int kColumns, int kBoxRows = kRows>
struct SwizzledTile {
  static constexpr int kSlabBytes = kRows * kTileRowBytes;
  static constexpr int kBytes = kColumns / kTileColumns * kSlabBytes;
  static_assert(kRows % kBoxRows == 0 && kBoxRows % 8 == 0 && kBoxRows <= kMostTileRows, "whole boxes");
  static_assert(kColumns % kTileColumns == 0, "whole slabs");

  // Orders the load of rows from `row` and columns from `column` on: kBytes at the barrier, by one thread.
  BURGEON_DEVICE static void load(SharedAddress tile, const TensorMap& map, int column, int row, int batch,
                                  SharedAddress barrier) {
#pragma unroll
    for (int slab = 0; slab < kColumns / kTileColumns; ++slab) {
#pragma unroll
      for (int r = 0; r < kRows; r += kBoxRows) {
        load_tile_async(tile + slab * kSlabBytes + r * kTileRowBytes, map, column + slab * kTileColumns, row + r, batch,
                        barrier);
      }
    }
  }

  // Descriptors of an operand of 16 positions of the shared dimension. The shared dimension runs across: lanes are rows
  // from `row` on, a multiple of 8, positions are columns from `column` on, a multiple of 16.
  BURGEON_DEVICE static uint64_t across(SharedAddress tile, int row, int column) {
    return descriptor(tile + column / kTileColumns * kSlabBytes + row * kTileRowBytes + column % kTileColumns * 2, 16);
  }
  // It runs down: lanes are columns from `column` on, a multiple of 64, positions are rows from `row` on, a multiple
  // of 16.
  BURGEON_DEVICE static uint64_t down(SharedAddress tile, int row, int column) {
    return descriptor(tile + column / kTileColumns * kSlabBytes + row * kTileRowBytes, kSlabBytes);
  }

  // A warp's left operand, 16 rows from `row` on and columns from `column` on, multiples of 16: from the tile to
  // registers and from there to the tile.
  BURGEON_DEVICE static void load_left(uint32_t (&r)[4], SharedAddress tile, int row, int column) {
    load_matrices(r, chunk(tile, row, column));
  }
  BURGEON_DEVICE static void store_left(SharedAddress tile, int row, int column, const uint32_t (&r)[4]) {
    store_matrices(chunk(tile, row, column), r);
  }

 private:
  // That of a lane.
  BURGEON_DEVICE static SharedAddress chunk(SharedAddress tile, int row, int column) {
    const int lane = thread_index() % kWarpSize;
    const int first = lane / 16 ^ lane % 8;
    return tile + column / kTileColumns * kSlabBytes + (row + lane % 16) * kTileRowBytes +
           (first ^ column % kTileColumns / 8) * 16;
  }
  // Eight rows are a stride; `leading` goes from 64 lanes to the next and is not used across.
  BURGEON_DEVICE static uint64_t descriptor(SharedAddress start, int leading) {
    constexpr uint64_t kStride = 8 * kTileRowBytes;
    constexpr uint64_t kSwizzle128 = 1;
    return (shared_offset(start) & 0x3ffff) >> 4 | static_cast<uint64_t>(leading) >> 4 << 16 | kStride >> 4 << 32 |
           kSwizzle128 << 62;
  }
};

}  // namespace burgeon::cuda
