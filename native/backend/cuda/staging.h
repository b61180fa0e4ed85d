// The way of the host's data to a device. A copy from memory that the system may move is waited for; from here the
// device copies by itself, and the host makes the next micro-batch ready meanwhile.
#pragma once

#include <cstddef>

#include "kernels/cuda/runtime.h"
#include "kernels/cuda/stream.h"

namespace burgeon::cuda {

// Two halves, filled in turn: a half is filled again when the device has copied what was in it.
class Staging {
 public:
  explicit Staging(size_t half_bytes = size_t{4} << 20) : half_bytes_(half_bytes) {}
  Staging(const Staging&) = delete;

  // Copies to the device, in the order of the stream; `from` may change when it returns.
  void write(Stream stream, void* to, const void* from, size_t bytes);

  // Waits for what is under way: before what it goes to is given back.
  void finish(Stream stream);

  // Waits for what is under way and gives the memory back, with the device in use that it was taken on.
  void close(Stream stream);

 private:
  // Whether there is memory, taken when first needed.
  bool is_open();
  void next_half(Stream stream);

  const size_t half_bytes_;
  char* block_ = nullptr;
  bool is_refused_ = false;
  int half_ = 0;
  size_t used_ = 0;  // of this half
  Event copied_[2] = {};
  bool under_way_[2] = {};
};

}  // namespace burgeon::cuda
