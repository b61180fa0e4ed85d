// Sums of the gradients of micro-batches in an order that does not depend on who computed them: a binary tree over the
// micro-batches of a step. A process sums a subtree, keeping finished parts aside while it computes the next, and ranks
// sum theirs with each other (core/collectives.h). Only rows that are touched are moved.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/arena.h"
#include "core/collectives.h"
#include "core/device.h"
#include "model/device_sums.h"
#include "model/parameters.h"
#include "model/subnetwork.h"

namespace burgeon {

template <class M>
class GradientSums {
 public:
  GradientSums(const Parameters<M>& parameters, Device& device)
      : parameters_(parameters), device_(device), linked_(device) {}

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

  // As DeviceSums::link().
  void link(Communicator& ranks) { linked_.link(ranks); }
  std::string links() const { return linked_.name(); }
  // Replaces the gradients by the sums over all ranks, and what is touched by what any of them has touched. `add` as in
  // merge(), for devices that are linked.
  void exchange(Communicator& ranks, TouchedUnits& touched, const typename DeviceSums<M>::Add& add);

 private:
  using Run = ElementRun;
  struct Kept {
    Arena arena;  // an array of gradients
    std::vector<Run> runs;
  };

  M* base() const { return parameters_.array(Role::kGradient); }
  std::vector<Run> runs_of(TouchedUnits& touched) const;

  const Parameters<M>& parameters_;
  Device& device_;
  std::vector<Kept> kept_;  // those in use first, the newest last; the others for their memory
  size_t in_use_ = 0;
  DeviceSums<M> linked_;
  std::vector<M> packed_;
  std::vector<M> received_;
  std::vector<uint8_t> flags_;
};

}  // namespace burgeon
