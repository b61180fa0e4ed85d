// The sum of gradients over ranks whose devices are linked: between the memories of devices, added up by the kernel
// that adds all else. In the order of core/collectives.h, so the bits are those of a sum through the hosts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/arena.h"
#include "core/communicator.h"
#include "core/device.h"

namespace burgeon {

// Elements of an array of parameters.
struct ElementRun {
  int64_t first;
  int64_t count;
};

template <class M>
class DeviceSums {
 public:
  // to[i] += from[i], queued on the device.
  using Add = std::function<void(M* to, const M* from, int64_t count)>;

  // `at_a_time`: elements, so that memory for them is bounded.
  explicit DeviceSums(Device& device, int64_t at_a_time = int64_t{1} << 24) : device_(device), most_(at_a_time) {}

  // Links the devices of all ranks where that can be, for sums of these ranks. Throws as link_devices().
  void link(Communicator& ranks);

  // Replaces the runs of an array by their sums over all ranks, which name the same; false where devices are not
  // linked. Throws as DeviceLinks, Error(kOutOfMemory).
  bool sum(Communicator& ranks, M* base, const std::vector<ElementRun>& runs, const Add& add, const char* what);

  // Of the links; empty where there are none.
  std::string name() const { return links_ ? links_->name() : ""; }
  size_t bytes() const { return arena_.size(); }

 private:
  struct Sum;

  Device& device_;
  const int64_t most_;
  std::unique_ptr<DeviceLinks> links_;
  int64_t linked_ = 0;  // Communicator::id() of those that links_ is with
  Arena arena_;         // what is received, then runs side by side
};

}  // namespace burgeon
