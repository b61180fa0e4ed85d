// Processes that train one model together, numbered from 0 as ranks, and what two of them say to each other. What all
// of them do together is built of that (core/collectives.h), so that sums have one order whatever carries them.
#pragma once

#include <cstddef>
#include <string>

namespace burgeon {

class Communicator {
 public:
  Communicator(int rank, int size) : rank_(rank), size_(size) {}
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  // Sends to a peer and receives from it at the same time; either may be nothing. `what` names it for people: "the sum
  // of gradients". Throws Error(kRanks) where a rank has ended, is silent or gave up, with what is known of it; then
  // nothing more can be done.
  virtual void exchange(int peer, const void* out, size_t out_bytes, void* in, size_t in_bytes, const char* what) = 0;

  // Tells the others why this process ends: they fail with it.
  virtual void give_up(const std::string& why) noexcept = 0;
  // Leaves in peace. Nothing can be done afterwards.
  virtual void close() noexcept = 0;

 private:
  const int rank_;
  const int size_;
};

}  // namespace burgeon
