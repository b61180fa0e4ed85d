// The losses of micro-batches that nobody has waited for yet: copies where the device computed them, read all at once.
// Between two micro-batches a device then has work, however long its host takes to make the next one ready.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/device.h"

namespace burgeon {

// Nats per target that counts, of the losses of all: those of the others are 0.
template <class M>
double mean_of(const M* losses, int64_t rows, int64_t valid) {
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) sum += losses[i];
  return sum / static_cast<double>(valid);
}

template <class M>
class PendingLosses {
 public:
  explicit PendingLosses(Device& device) : device_(device) {}

  // Adds the losses of a micro-batch, `valid` of which count. They are kept in `room` for `capacity` of them, at least
  // as many as there are rows; it stays where it is until collect().
  void add(const M* losses, int64_t rows, int64_t valid, M* room, int64_t capacity) {
    if (used_ + rows > capacity) collect();
    room_ = room;
    device_.copy(room + used_, losses, static_cast<size_t>(rows) * sizeof(M));
    used_ += rows;
    kept_.push_back({rows, valid});
  }

  // Waits for them, and leaves the room.
  void collect() {
    host_.resize(static_cast<size_t>(used_));
    if (used_ > 0) device_.read(host_.data(), room_, host_.size() * sizeof(M));
    const M* losses = host_.data();
    for (const auto& [rows, valid] : kept_) {
      means_.push_back(mean_of(losses, rows, valid));
      losses += rows;
    }
    kept_.clear();
    used_ = 0;
  }

  // The means of all since the last call, in order.
  std::vector<double> take() {
    collect();
    return std::exchange(means_, {});
  }

  void drop() {
    kept_.clear();
    means_.clear();
    used_ = 0;
  }

 private:
  struct Kept {
    int64_t rows;
    int64_t valid;
  };

  Device& device_;
  M* room_ = nullptr;
  int64_t used_ = 0;
  std::vector<Kept> kept_;
  std::vector<double> means_;
  std::vector<M> host_;  // read back
};

}  // namespace burgeon
