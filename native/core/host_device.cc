#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

#include "core/device.h"

namespace burgeon {

namespace {

class HostDevice final : public Device {
 public:
  void* allocate(size_t bytes) override {
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
    // First touch of 4 KiB pages runs at a fraction of memory speed; the advice may be refused, which costs only time.
    if (bytes >= (size_t{2} << 20)) madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
  }
  void release(void* block, size_t bytes) override { munmap(block, bytes); }
  size_t capacity() const override {
    return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  }
  const char* name() const override { return "this machine"; }

  void write(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void read(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void clear(void* at, size_t bytes) override { std::memset(at, 0, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }

  int64_t mark() override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  }
  double milliseconds(int64_t from, int64_t to) override { return static_cast<double>(to - from) / 1e6; }
};

}  // namespace

Device& host_device() {
  static HostDevice device;
  return device;
}

}  // namespace burgeon
