// How a dimension of a product is cut.
#pragma once

#include "backend/cpu/panel_product.h"

namespace burgeon::BURGEON_ISA {

// [0, total) in nearly equal pieces of at most `most`, each a multiple of `step` but the last.
struct Pieces {
  int64_t total;
  int64_t size;
  Pieces(int64_t length, int64_t most, int64_t step)
      : total(length), size(ceil_div(ceil_div(length, ceil_div(length, most)), step) * step) {}
  int64_t count() const { return ceil_div(total, size); }
  int64_t length(int64_t i) const { return smaller(size, total - i * size); }
};

// Outputs in bfloat16 cannot hold partial sums: the whole depth is then one block. Of other outputs it is cut.
template <class Panels, class T>
int64_t block_units(int64_t depth) {
  return sizeof(T) < sizeof(float) ? Panels::PanelA::units(depth) : Panels::kBlockUnits;
}

}  // namespace burgeon::BURGEON_ISA
