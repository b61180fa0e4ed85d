#include "backend/cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace burgeon::cuda {

void Staging::write(Stream stream, void* to, const void* from, size_t bytes) {
  if (!is_open()) {
    cuda::write(stream, to, from, bytes);
    return;
  }
  for (size_t done = 0; done < bytes;) {
    if (used_ == half_bytes_) next_half(stream);
    const size_t part = std::min(bytes - done, half_bytes_ - used_);
    char* const place = block_ + static_cast<size_t>(half_) * half_bytes_ + used_;
    std::memcpy(place, static_cast<const char*>(from) + done, part);
    write_staged(stream, static_cast<char*>(to) + done, place, part);
    used_ += part;
    done += part;
  }
}

void Staging::next_half(Stream stream) {
  if (!copied_[half_]) copied_[half_] = open_event();
  record(stream, copied_[half_]);
  under_way_[half_] = true;
  half_ = 1 - half_;
  if (under_way_[half_]) wait(copied_[half_]);
  used_ = 0;
}

bool Staging::is_open() {
  if (!block_ && !is_refused_) {
    block_ = static_cast<char*>(allocate_staged(2 * half_bytes_));
    is_refused_ = !block_;
  }
  return block_ != nullptr;
}

void Staging::finish(Stream stream) {
  if (used_ > 0) next_half(stream);
  if (under_way_[1 - half_]) wait(copied_[1 - half_]);
}

void Staging::close(Stream stream) {
  finish(stream);
  for (int half = 0; half < 2; ++half) {
    if (copied_[half]) close_event(copied_[half]);
    copied_[half] = nullptr;
    under_way_[half] = false;
  }
  if (block_) release_staged(block_);
  block_ = nullptr;
}

}  // namespace burgeon::cuda
