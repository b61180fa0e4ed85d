// Straight ways between the memory of this rank's device and those of the other ranks (NCCL), instead of through their
// hosts. What is exchanged is queued: it comes after the work queued before, and the device may still be at it when a
// call returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/communicator.h"

namespace burgeon {

class Device;

// What a device can be linked by. All ranks must have the same `way`, each another `device`.
struct LinkAddress {
  uint64_t device = 0;  // this one alone, on any machine; 0: it cannot be linked
  uint64_t way = 0;     // a library and its version
};

// FNV-1a.
inline uint64_t hash_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char each : text) hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3;
  return hash;
}

class DeviceLinks {
 public:
  virtual ~DeviceLinks() = default;

  // Of what carries it, for people: "NCCL 2.30.7".
  virtual std::string name() const = 0;

  // As Communicator::exchange(), in memory of devices. Throws Error(kRanks) where a rank is lost, Error(kCuda) where
  // the way fails or takes longer than patience allows.
  virtual void exchange(Communicator& ranks, const std::vector<Message>& messages, const char* what) = 0;
  // Returns when the device has done all of it. Throws likewise.
  virtual void finish(Communicator& ranks, const char* what) = 0;
};

// Links the devices of all ranks, each of which calls it; null in all of them where one has none that can be linked,
// two have the same, or their ways differ. Throws as DeviceLinks.
std::unique_ptr<DeviceLinks> link_devices(Device& device, Communicator& ranks);

}  // namespace burgeon
