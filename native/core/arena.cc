#include "core/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "core/error.h"

namespace burgeon {

namespace {

std::string gibibytes(size_t bytes) {
  const double value = static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0);
  std::string text = std::to_string(value);
  return text.substr(0, text.find('.') + 3) + " GiB";
}

}  // namespace

Arena::Arena(size_t bytes, const char* what, size_t held) {
  if (bytes == 0) return;
  // The kernel hands out more address space than there is memory and kills the process later; refuse here instead.
  const size_t machine = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (bytes > machine || held > machine - bytes) {
    const std::string beside = held > 0 ? " beside " + gibibytes(held) + " of weights" : "";
    throw Error(ErrorCode::kOutOfMemory, std::string(what) + " need " + gibibytes(bytes) + beside +
                                             ", this machine has " + gibibytes(machine) +
                                             "; use a smaller model, batch size or sequence length");
  }
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) {
    throw Error(ErrorCode::kOutOfMemory, std::string(what) + " need " + gibibytes(bytes) +
                                             ", which the system refused; use a smaller model, batch size or "
                                             "sequence length");
  }
#ifdef MADV_HUGEPAGE
  // First touch of 4 KiB pages runs at a fraction of memory speed; the advice may be refused, which costs only time.
  if (bytes >= (size_t{2} << 20)) madvise(block, bytes, MADV_HUGEPAGE);
#endif
  data_ = static_cast<char*>(block);
  bytes_ = bytes;
}

void Arena::release() {
  if (data_) munmap(data_, bytes_);
  data_ = nullptr;
  bytes_ = 0;
}

Arena::~Arena() { release(); }

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

}  // namespace burgeon
