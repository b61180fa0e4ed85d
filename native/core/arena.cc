#include "core/arena.h"

#include <utility>

#include "core/error.h"

namespace burgeon {

std::string gibibytes(size_t bytes) {
  const double value = static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0);
  std::string text = std::to_string(value);
  return text.substr(0, text.find('.') + 3) + " GiB";
}

namespace {

constexpr const char* kAdvice = "; use a smaller model, batch size or sequence length";

std::string need(const char* what, size_t bytes) { return std::string(what) + " need " + gibibytes(bytes); }

}  // namespace

void check_capacity(const Device& device, size_t bytes, const char* what, size_t held) {
  const size_t capacity = device.capacity();
  if (bytes <= capacity && held <= capacity - bytes) return;
  const std::string beside = held > 0 ? " beside " + gibibytes(held) + " of weights" : "";
  throw Error(ErrorCode::kOutOfMemory,
              need(what, bytes) + beside + ", " + device.name() + " has " + gibibytes(capacity) + kAdvice);
}

Arena::Arena(Device& device, size_t bytes, const char* what, size_t held) {
  if (bytes == 0) return;
  // The kernel hands out more address space than there is memory and kills the process later; refuse here instead.
  check_capacity(device, bytes, what, held);
  void* block = device.allocate(bytes);
  if (!block) throw Error(ErrorCode::kOutOfMemory, need(what, bytes) + ", which the system refused" + kAdvice);
  device_ = &device;
  data_ = static_cast<char*>(block);
  bytes_ = bytes;
}

void Arena::release() {
  if (data_) device_->release(data_, bytes_);
  data_ = nullptr;
  bytes_ = 0;
}

Arena::~Arena() { release(); }

Arena::Arena(Arena&& other) noexcept
    : device_(other.device_), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this != &other) {
    release();
    device_ = other.device_;
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

}  // namespace burgeon
