// A burst of register-tile products on cached data: the most multiply-adds per second this code could ever do with
// operands of that format.
#include "backend/backend.h"
#include "backend/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

template <class Operand>
int64_t multiply_burst(float* data, int64_t rounds) {
  constexpr int64_t kSteps = 128;  // units of the operand format
  const float* b = data + kSteps * kTileRows;
  float* sums = data + kSteps * (kTileRows + kTileCols);
  static_assert(kSteps * (kTileRows + kTileCols) + kTileRows * kTileCols <= kBurstFloats);
  Tile<kTileRows> total = {};
  for (int64_t round = 0; round < rounds; ++round) {
    const Tile<kTileRows> tile = multiply_tile<kTileRows, Operand>(kSteps, data, 1, kTileRows, b, kTileCols);
    for (int i = 0; i < kTileRows; ++i) {
      for (int j = 0; j < kTileVecs; ++j) total.at[i][j] += tile.at[i][j];
    }
    asm volatile("" ::: "memory");  // or the compiler would see that every round computes the same
  }
  // Every sum is stored where the compiler cannot prove it unused, and beside the operands, which stay as they are.
  for (int i = 0; i < kTileRows; ++i) {
    for (int j = 0; j < kTileVecs; ++j) store(sums + (i * kTileVecs + j) * kWidth, total.at[i][j]);
  }
  return rounds * kSteps * Operand::kDepth * kTileRows * kTileCols;
}

template int64_t multiply_burst<Float32>(float*, int64_t);
template int64_t multiply_burst<Bfloat16>(float*, int64_t);

}  // namespace burgeon::BURGEON_ISA
