#include "core/arena.h"

#include <cstdio>
#include <iterator>
#include <utility>

#include "core/error.h"

namespace burgeon {

std::string binary_size(size_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < std::size(kUnits); unit++) value /= 1024;
  char text[32];
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  std::snprintf(text, sizeof text, "%.*f %s", decimals, value, kUnits[unit]);
  return text;
}

namespace {

constexpr const char* kAdvice = "; use a smaller model, batch size or sequence length";

std::string need(const char* what, size_t bytes) { return std::string(what) + " need " + binary_size(bytes); }

}  // namespace

void check_capacity(const Device& device, size_t bytes, const char* what, size_t held) {
  const size_t capacity = device.capacity();
  if (bytes <= capacity && held <= capacity - bytes) return;
  const std::string beside = held > 0 ? " beside " + binary_size(held) + " of weights" : "";
  throw Error(ErrorCode::kOutOfMemory,
              need(what, bytes) + beside + ", " + device.name() + " has " + binary_size(capacity) + kAdvice);
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
