// How a model grows: rows of its tensors that become those of others, where they live.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/device.h"
#include "model/parameters.h"
#include "model/shard_exchange.h"

namespace burgeon {

// Rows of a tensor that become those of another, or of the same: weights and both moments, each times a factor. A
// factor of 0 reads nothing.
struct RowCopy {
  size_t to;
  int64_t to_row;
  size_t from;
  int64_t from_row;
  int64_t rows;
  double weight;
  double moment1;
  double moment2;
};

// In order. Where rows are divided over ranks, all make the same copies: rows that others keep the moments of come over
// `ranks`. Throws Error(kShape) before anything is copied, also where ranks are wanted and null; Error(kRanks).
template <class M>
void copy_rows(const std::vector<RowCopy>& copies, Parameters<M>& parameters, Device& device,
               ShardExchange<M>& exchange, Communicator* ranks);

}  // namespace burgeon
