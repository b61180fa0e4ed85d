// Packed matrix products: out (m, n) from A (m, depth) and B (depth, n). Both operands are copied into panels that are
// multiplied from contiguous memory; packing is where the list of active rows is applied and float32 becomes bfloat16,
// so a sampled product is a smaller dense product with no gather of its own. Sums are float32 until they are whole.
#pragma once

#include "backend/cpu/blocked_product.h"
#include "backend/cpu/streamed_product.h"

namespace burgeon::BURGEON_ISA {

// Scratch of products whose bias may be gathered from `row_count` numbers; of those whose outputs may be bfloat16,
// `width` is the largest depth.
constexpr int64_t kPackedFloats = 2 * (kStayingLanes + kStreamedLanes) * kMostUnits;  // of it, shared, at least
template <class T>
ScratchSize product_scratch(int64_t row_count, int64_t width) {
  using Panels = typename LargeProduct<OperandOf<T>>::Panels;
  const int64_t units = larger(Panels::kBlockUnits, block_units<Panels, T>(width));
  int64_t shared, per_thread;
  if constexpr (Panels::kSumsInMemory) {
    shared = larger(kPackedFloats, StreamedBlocks<Panels>::shared_floats(units));
    per_thread = StreamedBlocks<Panels>::thread_floats(units);
  } else {
    shared = BlockSize::scratch_floats(units);
    per_thread = 0;
  }
  return {static_cast<size_t>(bias_floats(row_count) + shared) * sizeof(float),
          static_cast<size_t>(per_thread) * sizeof(float)};
}

template <class Operand, Activation activation, class A, class B, class T>
void multiply(OpContext& ctx, int64_t m, int64_t n, int64_t depth, const A& a, const B& b, const Epilogue<T>& e) {
  using Panels = typename LargeProduct<Operand>::Panels;
  if constexpr (Panels::kSumsInMemory) {
    multiply_streamed<Panels, activation>(ctx, m, n, depth, a, b, e);
  } else {
    multiply_blocked<Panels, activation>(ctx, m, n, depth, a, b, e);
  }
}

}  // namespace burgeon::BURGEON_ISA
