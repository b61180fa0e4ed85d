// A burst of register-tile products on cached data: the most multiply-adds per second this code could ever do with
// operands of that format.
#include "backend/backend.h"
#include "kernels/cpu/panel_product.h"

namespace burgeon::BURGEON_ISA {

template <class Operand>
int64_t multiply_burst(float* data, int64_t rounds) {
  using Panels = typename LargeProduct<Operand>::Panels;
  constexpr int64_t kSteps = 144;  // units of the operand format, of all its parts
  const float* b = data + kSteps * Panels::kRows;
  float* sums = data + kSteps * (Panels::kRows + Panels::kCols);
  static_assert(kSteps * (Panels::kRows + Panels::kCols) + Panels::kRows * Panels::kCols <= kBurstFloats);
  const typename Panels::Scope scope;
  for (int64_t round = 0; round < rounds; ++round) {
    // Stored where the compiler cannot prove it unused, and beside the operands, which stay as they are.
    Panels::multiply_into(kSteps, data, b, sums, Panels::kCols, false);
    asm volatile("" ::: "memory");  // or the compiler would see that every round computes the same
  }
  return rounds * Panels::PanelA::depth(kSteps) * Panels::kRows * Panels::kCols;
}

template int64_t multiply_burst<Float32>(float*, int64_t);
template int64_t multiply_burst<Bfloat16>(float*, int64_t);

}  // namespace burgeon::BURGEON_ISA
