// What ranks tell each other of weights and of what the optimizer keeps, where each updates its own rows only
// (model/row_shards.h), and in the beginning.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "model/parameters.h"
#include "model/row_exchange.h"
#include "model/subnetwork.h"

namespace burgeon {

template <class M>
class ShardExchange {
 public:
  ShardExchange(Parameters<M>& parameters, Device& device, RowExchange<M>& rows)
      : p_(parameters), device_(device), rows_(rows) {}

  // Throws Error(kConfig) where these are not the ranks that rows are divided over.
  void check(const Communicator& ranks) const;

  // An update of these units is to come, or of all where null; then the ranks have weights to exchange.
  void expect_weights(TouchedUnits* units);
  bool expects_weights() const { return !updated_.empty(); }
  void drop() { updated_.clear(); }
  // Gives all ranks the weights that the update has changed. Throws Error(kShape) where there was none.
  void gather_weights(Communicator& ranks);

  // Gives all ranks the weights of rank 0 and, where these are not divided, what its optimizer keeps.
  void broadcast(Communicator& ranks);
  // Of these rows of what the optimizer keeps, gives every rank its own; `from` of rank 0, of the others room for them.
  void scatter_rows(Communicator& ranks, Role role, const Tensor& tensor, int64_t row, int64_t rows, M* from);
  // Copies such rows to the memory of every rank's host.
  void gather_rows(Communicator& ranks, Role role, const Tensor& tensor, int64_t row, int64_t rows, M* to);

 private:
  Parameters<M>& p_;
  Device& device_;
  RowExchange<M>& rows_;
  OwnedElements updated_;
};

}  // namespace burgeon
