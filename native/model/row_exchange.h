// What ranks tell each other of an array of parameters: the sums of gradients, and weights. Every rank sends what it
// has of an element to its owner, who adds up, in an order that does not depend on the number of ranks
// (core/sum_tree.h), and gives the result to all. Where the devices of all ranks are linked this goes between their
// memories, and is added up by the kernel that adds all else; otherwise through the hosts. The bits are the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/arena.h"
#include "core/communicator.h"
#include "core/device.h"
#include "core/sum_tree.h"
#include "model/owned_elements.h"

namespace burgeon {

template <class M>
class RowExchange {
 public:
  // to[i] += from[i], queued on the device.
  using Add = std::function<void(M* to, const M* from, int64_t count)>;

  // `at_a_time`: most elements of parts that a rank sends, and receives, before they are added up, so that memory for
  // them is bounded.
  explicit RowExchange(Device& device, int64_t at_a_time = int64_t{1} << 24) : device_(device), most_(at_a_time) {}

  // Links the devices of all ranks where that can be, for what these exchange. Throws as link_devices().
  void link(Communicator& ranks);
  // Of the links, for people; empty where there are none.
  std::string links() const { return links_ ? links_->name() : ""; }

  // Adds up over all ranks. `parts`: arrays with the parts of this rank's sum, the last of which gets the sums: of all
  // elements that are owned or, without `gives_to_all`, of own ones, and 0 of others. `add`: for linked devices.
  // Throws Error(kOutOfMemory), Error(kRanks), and as DeviceLinks.
  void sum(Communicator& ranks, const SumTree& tree, const std::vector<M*>& parts, const OwnedElements& owned,
           bool gives_to_all, const Add& add, const char* what);
  // Gives all ranks what the owners have. Throws likewise.
  void gather(Communicator& ranks, M* array, const OwnedElements& owned, const char* what);

  // Of the device's memory.
  size_t bytes() const { return arena_.size(); }

 private:
  using Runs = std::vector<ElementRun>;
  struct Piece;

  // visit(piece) for the next elements of every owner, until there are no more; `parts` of all ranks, and the most of
  // one.
  template <class Visit>
  void for_pieces(Communicator& ranks, const OwnedElements& owned, int parts, int most_parts, Visit visit);
  // Gives all ranks the sums of own elements, and writes those of others.
  void give(Communicator& ranks, M* array, const Piece& piece, const char* what);
  // compose(peer) for all others.
  template <class Compose>
  void exchange(Communicator& ranks, const char* what, Compose compose);
  M* reserve(int64_t count);
  bool is_linked(const Communicator& ranks) const { return links_ && linked_ == ranks.id(); }

  // Where runs lie side by side and can be sent from and received into; null where they do not.
  M* in_place(M* array, const Runs& runs) const;
  // From and to runs, which lie side by side in the memory of the exchange.
  void pack(M* to, const M* array, const Runs& runs) const;
  void unpack(M* array, const M* from, const Runs& runs) const;

  Device& device_;
  const int64_t most_;
  std::unique_ptr<DeviceLinks> links_;
  int64_t linked_ = 0;      // Communicator::id() of those that links_ is with
  bool on_device_ = false;  // what is exchanged now
  // What is received of own elements, then what is sent of others: of the device or the host.
  Arena arena_;
  std::vector<M> on_host_;
  std::vector<Message> messages_;  // kept for their memory
};

}  // namespace burgeon
