// One block of zeroed, aligned memory, and the plan that hands out its parts. Sizes are known before memory is
// taken: a planner runs once with a null base to learn the size and once with the real base to get the pointers, so
// both passes are the same text and cannot disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/device.h"

namespace burgeon {

// In the unit that fits, three significant digits: "1.25 GiB".
std::string binary_size(size_t bytes);

// Throws Error(kOutOfMemory) when a device cannot hold so many bytes beside the `held` ones; `what` names their use.
void check_capacity(const Device& device, size_t bytes, const char* what, size_t held = 0);

class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;

  // Takes `bytes` of zeroed memory of a device, which must outlive the arena.
  // Throws Error(kOutOfMemory), as check_capacity, and when the system refuses.
  Arena(Device& device, size_t bytes, const char* what, size_t held = 0);

  char* data() const { return data_; }
  size_t size() const { return bytes_; }

 private:
  void release();
  Device* device_ = nullptr;
  char* data_ = nullptr;
  size_t bytes_ = 0;
};

// Hands out consecutive pieces of a block, each at a multiple of `alignment` bytes, or only measures when the base is
// null.
class ArenaCursor {
 public:
  explicit ArenaCursor(char* base, size_t alignment = 64) : base_(base), alignment_(alignment) {}

  template <class T>
  T* take(int64_t count) {
    T* piece = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (static_cast<size_t>(count) * sizeof(T) + alignment_ - 1) / alignment_ * alignment_;
    return piece;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t alignment_;
  size_t used_ = 0;
};

}  // namespace burgeon
