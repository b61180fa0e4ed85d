// Processes that train one model together, numbered from 0 as ranks, and what they say to each other. What all of them
// do together is built of that (core/collectives.h), so that sums have one order whatever carries them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace burgeon {

// What goes to a peer and what comes from it; either may be nothing. Both say the same sizes.
struct Message {
  int peer;
  const void* out;
  size_t out_bytes;
  void* in;
  size_t in_bytes;
};

class Communicator {
 public:
  // `patience_seconds`: how long to wait for a rank that is there, where nothing tells whether it goes on.
  Communicator(int rank, int size, double patience_seconds)
      : rank_(rank), size_(size), patience_seconds_(patience_seconds) {}
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  double patience_seconds() const { return patience_seconds_; }
  // Of this object alone, in this process.
  int64_t id() const { return id_; }

  // Sends to peers and receives from them, all at the same time; one message for each at most. `what` names it for
  // people: "the sum of gradients". Throws Error(kRanks) where a rank has ended, is silent or gave up, with what is
  // known of it; then nothing more can be done.
  virtual void exchange(const std::vector<Message>& messages, const char* what) = 0;
  void send(int peer, const void* out, size_t bytes, const char* what) {
    exchange({{peer, out, bytes, nullptr, 0}}, what);
  }
  void receive(int peer, void* in, size_t bytes, const char* what) { exchange({{peer, nullptr, 0, in, bytes}}, what); }

  // For what goes to a peer by another way: whether a rank is lost, as far as is known within the time, and what
  // exchange() throws then.
  virtual bool has_lost(double seconds) = 0;
  [[noreturn]] virtual void fail(int peer, const char* what) = 0;

  // Tells the others why this process ends: they fail with it.
  virtual void give_up(const std::string& why) noexcept = 0;
  // Leaves in peace. Nothing can be done afterwards.
  virtual void close() noexcept = 0;

 private:
  static int64_t next_id() {
    static std::atomic<int64_t> last{0};
    return ++last;
  }

  const int rank_;
  const int size_;
  const double patience_seconds_;
  const int64_t id_ = next_id();
};

}  // namespace burgeon
