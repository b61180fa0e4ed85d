// A burst of register-tile products on cached data: the most multiply-adds per second this code could ever do.
#include "backend/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

int64_t multiply_burst(float* data, int64_t rounds) {
  constexpr int64_t kSteps = 128;
  Tile<kTileRows> total = {};
  for (int64_t round = 0; round < rounds; ++round) {
    const Tile<kTileRows> tile =
        multiply_tile<kTileRows>(kSteps, data, 1, kTileRows, data + kSteps * kTileRows, kTileCols);
    for (int i = 0; i < kTileRows; ++i) {
      for (int j = 0; j < kTileVecs; ++j) total.at[i][j] += tile.at[i][j];
    }
    asm volatile("" ::: "memory");  // or the compiler would see that every round computes the same
  }
  // Every sum is stored where the compiler cannot prove it unused.
  for (int i = 0; i < kTileRows; ++i) {
    for (int j = 0; j < kTileVecs; ++j) store(data + (i * kTileVecs + j) * kWidth, total.at[i][j]);
  }
  return rounds * kSteps * kTileRows * kTileCols;
}

}  // namespace burgeon::BURGEON_ISA
