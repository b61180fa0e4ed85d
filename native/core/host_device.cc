#include <chrono>
#include <cstring>

#include "core/device.h"
#include "core/system.h"

namespace burgeon {

namespace {

class HostDevice final : public Device {
 public:
  void* allocate(size_t bytes) override { return system::allocate_pages(bytes); }
  void release(void* block, size_t bytes) override { system::release_pages(block, bytes); }
  size_t capacity() const override { return system::physical_memory(); }
  const char* name() const override { return "this machine"; }

  void write(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void read(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void clear(void* at, size_t bytes) override { std::memset(at, 0, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }

  int64_t mark() override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  }
  void keep_marks(int64_t) override {}
  double milliseconds(int64_t from, int64_t to) override { return static_cast<double>(to - from) / 1e6; }
};

}  // namespace

Device& host_device() {
  static HostDevice device;
  return device;
}

}  // namespace burgeon
