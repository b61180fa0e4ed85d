// Sums of the gradients of micro-batches in an order that does not depend on who computed them: a binary tree over the
// micro-batches of a step (core/sum_tree.h). A process sums subtrees, keeping finished ones aside while it computes the
// next, and ranks sum theirs with each other. Only rows that are touched are moved.
#pragma once

#include <cstdint>
#include <vector>

#include "core/arena.h"
#include "core/device.h"
#include "model/parameters.h"
#include "model/row_exchange.h"
#include "model/subnetwork.h"

namespace burgeon {

template <class M>
class GradientSums {
 public:
  GradientSums(const Parameters<M>& parameters, Device& device)
      : parameters_(parameters), device_(device), rows_(device) {}

  // Keeps the gradients of touched rows aside, and clears them. Throws Error(kOutOfMemory).
  void keep(TouchedUnits& touched);
  // Adds what was kept last to the gradients: add(to, from, count) for every run of elements.
  template <class Add>
  void merge(Add add) {
    Kept& kept = kept_[--in_use_];
    M* const from = reinterpret_cast<M*>(kept.arena.data());
    for (const Run& run : kept.runs) add(base() + run.first, from + run.first, run.count);
  }
  bool has_kept() const { return in_use_ > 0; }
  // What was kept does not count any longer.
  void drop() { in_use_ = 0; }
  size_t bytes() const;

  // Replaces the gradients by the sums over all ranks, of `micro_batches` in all: of own rows where these are divided
  // (model/row_shards.h), with 0 of others; and what is touched by what any rank has touched. What was kept is part of
  // it. `add` as in merge(). Throws Error(kShape) where that is not what this rank's share leaves, and as RowExchange.
  void exchange(Communicator& ranks, int64_t micro_batches, TouchedUnits& touched,
                const typename RowExchange<M>::Add& add);
  RowExchange<M>& rows() { return rows_; }
  const RowExchange<M>& rows() const { return rows_; }

 private:
  using Run = ElementRun;
  struct Kept {
    Arena arena;  // an array of gradients
    std::vector<Run> runs;
  };

  M* base() const { return parameters_.array(Role::kGradient); }
  std::vector<Run> runs_of(TouchedUnits& touched) const;
  // Makes what was kept 0 where it has none of these elements.
  void fill(const Kept& kept, const std::vector<Run>& runs);

  const Parameters<M>& parameters_;
  Device& device_;
  std::vector<Kept> kept_;  // those in use first, the newest last; the others for their memory
  size_t in_use_ = 0;
  RowExchange<M> rows_;
  std::vector<uint8_t> flags_;  // kept for their memory
};

}  // namespace burgeon
