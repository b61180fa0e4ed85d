// A burst of register-tile products on cached data: the most multiply-adds per second this code could ever do with
// operands of that format.
#include "backend/backend.h"
#include "kernels/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

template <class Operand>
int64_t multiply_burst(float* data, int64_t rounds) {
  using Kernel = typename LargeKernel<Operand>::Kernel;
  constexpr int64_t kSteps = 144;  // units of the operand format, of all its parts
  const float* b = data + kSteps * Kernel::kMr;
  float* sums = data + kSteps * (Kernel::kMr + Kernel::kNr);
  static_assert(kSteps * (Kernel::kMr + Kernel::kNr) + Kernel::kMr * Kernel::kNr <= kBurstFloats);
  const typename Kernel::Scope scope;
  for (int64_t round = 0; round < rounds; ++round) {
    // Stored where the compiler cannot prove it unused, and beside the operands, which stay as they are.
    Kernel::multiply_into(kSteps, data, b, sums, Kernel::kNr, false);
    asm volatile("" ::: "memory");  // or the compiler would see that every round computes the same
  }
  return rounds * Kernel::PanelA::depth(kSteps) * Kernel::kMr * Kernel::kNr;
}

template int64_t multiply_burst<Float32>(float*, int64_t);
template int64_t multiply_burst<Bfloat16>(float*, int64_t);

}  // namespace burgeon::BURGEON_ISA
