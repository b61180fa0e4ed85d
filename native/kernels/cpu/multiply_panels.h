// Packed panels of A times packed panels of B, and outputs of the sums.
#pragma once

#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/panel_product.h"

namespace burgeon::BURGEON_ISA {

constexpr int64_t kFetchedParts = 96;  // in which what is packed at once is fetched before

// What to fetch a little at a time while something else is computed.
template <class Fetch>
struct Fetching {
  int64_t parts;
  Fetch fetch;
};
template <class Fetch>
Fetching(int64_t, Fetch) -> Fetching<Fetch>;

// Both of `units` of depth. Columns are cut so that those multiplied by one panel of A after the other stay near.
template <class Panels, Activation activation, class T, class Fetch>
void multiply_panels(int64_t units, const float* a, const float* b, const Part& part, const Epilogue<T>& e,
                     const Fetching<Fetch>& fetching) {
  constexpr int64_t kCols = 192;  // at a time
  if constexpr (Panels::kSumsInMemory) {
    // Sums become outputs row by row, so that those are long runs of memory: of a register tile they would be a line of
    // each of many pages. The depth is cut so that a panel of A, one of B and the sums share the first-level cache.
    alignas(64) float sums[Panels::kRows * kCols];
    for (int64_t col = 0; col < part.cols; col += kCols) {
      const int64_t cols = smaller(kCols, part.cols - col);
      for (int64_t row = 0; row < part.rows; row += Panels::kRows) {
        for (int64_t u = 0; u < units; u += Panels::kChunkUnits) {
          const int64_t chunk = smaller(Panels::kChunkUnits, units - u);
          for (int64_t j = 0; j < cols; j += Panels::kCols) {
            Panels::multiply_into(chunk, a + row * units + u * Panels::kRows, b + (col + j) * units + u * Panels::kCols,
                                  sums + j, kCols, u > 0);
          }
        }
        const Part done{part.row + row, smaller(Panels::kRows, part.rows - row), part.col + col, cols, part.adds,
                        part.last};
        if (part.adds) {
          finish_rows<activation, true>(sums, kCols, e, done);
        } else {
          finish_rows<activation, false>(sums, kCols, e, done);
        }
      }
    }
  } else {
    // Sums in registers become outputs tile by tile.
    const int64_t tiles = ceil_div(part.rows, Panels::kRows) * ceil_div(part.cols, Panels::kCols);
    int64_t tile_number = 0, fetched = 0;
    for (int64_t col = 0; col < part.cols; col += kCols) {
      const int64_t cols = smaller(kCols, part.cols - col);
      for (int64_t i = 0; i < part.rows; i += Panels::kRows) {
        for (int64_t j = col; j < col + cols; j += Panels::kCols) {
          for (++tile_number; fetched < fetching.parts * tile_number / tiles; ++fetched) fetching.fetch(fetched);
          const Part tile{part.row + i, smaller(Panels::kRows, part.rows - i),
                          part.col + j, smaller(Panels::kCols, part.cols - j),
                          part.adds,    part.last};
          fetch_outputs(e, tile);
          finish_tile<activation>(Panels::multiply(units, a + i * units, b + j * units), e, tile);
        }
      }
    }
  }
}

}  // namespace burgeon::BURGEON_ISA
