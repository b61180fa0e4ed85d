// What a device was told to do for a micro-batch, kept to be queued again as a whole: a CUDA graph of the few hundred
// launches of a step. Micro-batches of one kind differ only in what memory holds.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/device.h"
#include "model/step.h"

namespace burgeon {

class Recordings {
 public:
  // Without `enabled`, or where the device does not record, everything is queued anew.
  Recordings(Device& device, bool enabled) : device_(device), enabled_(enabled && device.records()) {}

  // Queues launches(&forward, &backward), adds to these what work it was and to `kernels` how many kernels. `kind` is
  // everything that the launches depend on but contents of memory. A kind is recorded when it comes for the second
  // time: what comes once only is not worth it, and whatever is chosen or prepared on first use has been.
  template <class Launches>
  void run(const std::vector<int64_t>& kind, Work* forward, Work* backward, int64_t* kernels, Launches launches) {
    Kept* kept = enabled_ ? find(kind) : nullptr;
    const int64_t before = device_.launches();
    if (!kept) {
      launches(forward, backward);
      *kernels += device_.launches() - before;
      return;
    }
    if (!kept->recording) {
      device_.begin_recording();
      launches(&kept->forward, &kept->backward);
      kept->kernels = device_.launches() - before;
      kept->recording = {device_.end_recording(), Release{&device_}};
    }
    device_.replay(kept->recording.get());
    *forward += kept->forward;
    *backward += kept->backward;
    *kernels += kept->kernels;
  }

  // Addresses have changed.
  void forget() { kept_.clear(); }

 private:
  struct Release {
    Device* device;
    void operator()(Recording* recording) const { device->release(recording); }
  };
  struct Kept {
    std::vector<int64_t> kind;
    Work forward;
    Work backward;
    int64_t kernels;
    std::unique_ptr<Recording, Release> recording;  // null: came once
  };

  // Null when a kind comes for the first time.
  Kept* find(const std::vector<int64_t>& kind);

  Device& device_;
  const bool enabled_;
  std::vector<Kept> kept_;  // the latest last
};

}  // namespace burgeon
