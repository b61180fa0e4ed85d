// The macro-kernel: the two innermost loops around the micro-kernel. Packed panels of A times packed panels of B, whose
// sums go through the epilogue.
#pragma once

#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

// Columns of C that one packed panel of A passes before the next one does, so that their panels of B stay near.
constexpr int64_t kColumnBlock = 192;

// A block of C from packed panels of A (rows, kc) and of B (kc, columns). Where sums are in registers, `prefetch`
// fetches its parts between micro-tiles: parts() of them, by fetch(part). One function on purpose: where GCC makes one
// multiply-add of a product and a sum depends on what is around them, and so do the last bits of the epilogue.
template <class Kernel, Activation activation, class T, class Prefetch>
void macro_kernel(int64_t kc_units, const float* a, const float* b, const BlockOfC& c, const Epilogue<T>& e,
                  const Prefetch& prefetch) {
  if constexpr (Kernel::kSumsInMemory) {
    // Sums become outputs row by row, so that those are long runs of memory: of a micro-tile they would be a line of
    // each of many pages. kc is cut once more, so that a panel of A, one of B and the sums share the first-level cache.
    alignas(64) float sums[Kernel::kMr * kColumnBlock];
    for (int64_t col = 0; col < c.cols; col += kColumnBlock) {
      const int64_t cols = smaller(kColumnBlock, c.cols - col);
      // Loop 2: panels of A, mr rows each.
      for (int64_t i = 0; i < c.rows; i += Kernel::kMr) {
        for (int64_t u = 0; u < kc_units; u += Kernel::kChunkUnits) {
          const int64_t chunk = smaller(Kernel::kChunkUnits, kc_units - u);
          // Loop 1: panels of B, nr columns each.
          for (int64_t j = 0; j < cols; j += Kernel::kNr) {
            Kernel::multiply_into(chunk, a + i * kc_units + u * Kernel::kMr, b + (col + j) * kc_units + u * Kernel::kNr,
                                  sums + j, kColumnBlock, u > 0);
          }
        }
        const BlockOfC rows{c.row + i, smaller(Kernel::kMr, c.rows - i), c.col + col, cols, c.adds, c.last};
        if (c.adds) {
          finish_rows<activation, true>(sums, kColumnBlock, e, rows);
        } else {
          finish_rows<activation, false>(sums, kColumnBlock, e, rows);
        }
      }
    }
  } else {
    // Sums become outputs micro-tile by micro-tile.
    const int64_t tiles = ceil_div(c.rows, Kernel::kMr) * ceil_div(c.cols, Kernel::kNr);
    int64_t tile_number = 0, fetched = 0;
    for (int64_t col = 0; col < c.cols; col += kColumnBlock) {
      const int64_t cols = smaller(kColumnBlock, c.cols - col);
      // Loop 2: panels of A, mr rows each. One stays in the first-level cache.
      for (int64_t i = 0; i < c.rows; i += Kernel::kMr) {
        // Loop 1: panels of B, nr columns each. They come from the second-level cache.
        for (int64_t j = col; j < col + cols; j += Kernel::kNr) {
          for (++tile_number; fetched < prefetch.parts() * tile_number / tiles; ++fetched) prefetch.fetch(fetched);
          const BlockOfC tile{
              c.row + i, smaller(Kernel::kMr, c.rows - i), c.col + j, smaller(Kernel::kNr, c.cols - j), c.adds, c.last};
          fetch_outputs(e, tile);
          finish_micro_tile<activation>(Kernel::multiply(kc_units, a + i * kc_units, b + j * kc_units), e, tile);
        }
      }
    }
  }
}

}  // namespace burgeon::BURGEON_ISA
