// The rows that touched units have in a model's tensors, as runs.
#pragma once

#include <vector>

#include "model/subnetwork.h"
#include "model/tensor.h"

namespace burgeon {

// visit(tensor, first row, rows) for every run of adjacent rows, in the order of the arrays. Null: all rows.
template <class Visit>
void for_touched_rows(const std::vector<Tensor>& tensors, TouchedUnits* units, Visit visit) {
  if (units) units->list();
  for (const Tensor& tensor : tensors) {
    if (!units || tensor.layer < 0) {
      visit(tensor, int64_t{0}, tensor.rows);
      continue;
    }
    if (!units->layer(tensor.layer)) continue;
    const auto [rows, count] = units->rows(tensor.layer, units->lists().data()).of(tensor);
    if (!rows) {
      visit(tensor, int64_t{0}, count);
      continue;
    }
    for (int64_t i = 0, end; i < count; i = end) {
      for (end = i + 1; end < count && rows[end] == rows[end - 1] + 1;) ++end;
      visit(tensor, int64_t{rows[i]}, end - i);
    }
  }
}

}  // namespace burgeon
