// Where a backend's arrays live, and how the host reaches them. Ops queue work on a device; copies come after all work
// queued before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/device_links.h"

namespace burgeon {

struct Recording;

class Device {
 public:
  virtual ~Device() = default;

  // Zeroed memory, aligned to 64 bytes at least; null when refused.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* block, size_t bytes) = 0;
  // Bytes there are in all, and what has them, for people: "this machine".
  virtual size_t capacity() const = 0;
  virtual const char* name() const = 0;

  // From and to the host's memory. When they return, the host may change what was written, and has what was read.
  virtual void write(void* to, const void* from, size_t bytes) = 0;
  virtual void read(void* to, const void* from, size_t bytes) = 0;
  virtual void clear(void* at, size_t bytes) = 0;
  // Within the device's memory.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;

  // Notes when the device has done all work queued so far; the notes of the last few marks are kept, or of
  // as many as are asked for, which loses those before.
  virtual int64_t mark() = 0;
  virtual void keep_marks(int64_t count) = 0;
  // Between two marks, when the device has passed both.
  virtual double milliseconds(int64_t from, int64_t to) = 0;

  // Kernels that the calling thread has queued or recorded; of a device that has none, 0.
  virtual int64_t launches() const { return 0; }

  // Between begin and end, what ops queue (and clear) is not done but kept, to be queued whenever it is replayed: with
  // the same addresses and numbers, on what memory then holds. Only where `records`; the device must outlive what it
  // recorded.
  virtual bool records() const { return false; }
  virtual void begin_recording() {}
  virtual Recording* end_recording() { return nullptr; }
  virtual void replay(Recording*) {}
  virtual void release(Recording*) {}

  // For link_devices(): by what this device can be linked with those of other ranks, and the links.
  virtual LinkAddress link_address() const { return {}; }
  virtual std::unique_ptr<DeviceLinks> link(Communicator&) { return nullptr; }

  // What ops queue their work on (OpContext::queue); null where there is nothing of the kind.
  virtual void* queue() const { return nullptr; }
};

// The machine's own memory, in huge pages where the system has them.
Device& host_device();

}  // namespace burgeon
