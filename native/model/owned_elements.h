// Elements of an array of parameters that ranks exchange, and which rank each belongs to for that: who adds up its
// gradients, and has its new weight first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/row_shards.h"
#include "model/touched_rows.h"

namespace burgeon {

struct ElementRun {
  int64_t first;
  int64_t count;
};

// Of every rank, in an order on which all agree.
using OwnedElements = std::vector<std::vector<ElementRun>>;

inline int64_t count_of(const std::vector<ElementRun>& runs) {
  int64_t count = 0;
  for (const ElementRun& run : runs) count += run.count;
  return count;
}

// Equal parts.
inline OwnedElements divide_evenly(const std::vector<ElementRun>& runs, int size) {
  OwnedElements owned(static_cast<size_t>(size));
  const int64_t count = count_of(runs);
  int64_t passed = 0;
  int owner = 0;
  for (ElementRun run : runs) {
    while (run.count > 0) {
      const int64_t end = count * (owner + 1) / size;
      const int64_t taken = std::min(run.count, end - passed);
      if (taken > 0) owned[static_cast<size_t>(owner)].push_back({run.first, taken});
      run = {run.first + taken, run.count - taken};
      passed += taken;
      if (passed == end) ++owner;
    }
  }
  return owned;
}

// The rows of these units, or of all where null, with those that update them.
inline OwnedElements divide_by_owner(const std::vector<Tensor>& tensors, TouchedUnits* units, const RowShards& shards) {
  OwnedElements owned(static_cast<size_t>(shards.size()));
  for_touched_rows(tensors, units, [&](const Tensor& tensor, int64_t row, int64_t rows) {
    shards.cut(tensor, row, rows, [&](int64_t first, int64_t count, int owner) {
      owned[static_cast<size_t>(owner)].push_back({tensor.offset + first * tensor.cols, count * tensor.cols});
    });
  });
  return owned;
}

}  // namespace burgeon
