// What ranks tell each other of weights and of what the optimizer keeps. Where each updates its own rows only
// (model/row_shards.h): the sums of the gradients of these, and then their new weights. Rows are packed in the order of
// their owners' shares.
#pragma once

#include <cstdint>
#include <vector>

#include "core/collectives.h"
#include "core/device.h"
#include "model/parameters.h"
#include "model/subnetwork.h"

namespace burgeon {

template <class M>
class ShardExchange {
 public:
  ShardExchange(Parameters<M>& parameters, Device& device) : p_(parameters), device_(device) {}

  // Replaces the gradients of own rows by the sums over all ranks and those of other rows by 0, and what is touched by
  // what any rank has touched.
  void sum_gradients(Communicator& ranks, TouchedUnits& touched);

  // An update of these units is to come, or of all where null; then the ranks have weights to exchange.
  void expect_weights(TouchedUnits* units);
  bool expects_weights() const { return !updated_.runs.empty(); }
  void drop() { updated_.runs.clear(); }
  // Gives all ranks the weights that the update has changed. Throws Error(kShape) where there was none.
  void gather_weights(Communicator& ranks);

  // Gives all ranks the weights of rank 0 and, where these are not divided, what its optimizer keeps.
  void broadcast(Communicator& ranks);
  // Of these rows of what the optimizer keeps, gives every rank its own; `from` of rank 0, of the others room for them.
  void scatter_rows(Communicator& ranks, Role role, const Tensor& tensor, int64_t row, int64_t rows, M* from);
  // Copies such rows to the memory of every rank's host.
  void gather_rows(Communicator& ranks, Role role, const Tensor& tensor, int64_t row, int64_t rows, M* to);

 private:
  // Elements of an array of parameters.
  struct Run {
    int64_t first;
    int64_t count;
  };
  struct Packing {
    std::vector<Run> runs;  // in the order of the shares
    Shares shares;
  };

  // Throws Error(kConfig) where these are not the ranks that rows are divided over.
  void check(const Communicator& ranks) const;
  Packing packing_of(TouchedUnits* units) const;
  // move(packed, its elements of the array, count) for the runs of places [low, high).
  template <class Move>
  void for_packed(const Packing& packing, M* array, Places places, Move move);
  Places own() const {
    const int place = place_of(p_.shards().rank(), p_.shards().size());
    return {place, place + 1};
  }

  Parameters<M>& p_;
  Device& device_;
  Packing updated_;
  // Kept for their memory.
  std::vector<M> packed_;
  std::vector<M> received_;
  std::vector<uint8_t> flags_;
};

}  // namespace burgeon
