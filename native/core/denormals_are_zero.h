// Numbers below 1.2e-38, of which float32 holds fewer digits, taken for zero. Processors compute with them on a slow
// path, and AdamW decays the moments of what has no gradient any more into them, where rounding keeps them forever.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

namespace burgeon {

// On this thread, as operands and as results, while it lives. Other processors than x86 and ARM keep them.
class DenormalsAreZero {
 public:
  DenormalsAreZero() : before_(mode()) { set_mode(before_ | kMode); }
  ~DenormalsAreZero() { set_mode(before_); }
  DenormalsAreZero(const DenormalsAreZero&) = delete;
  DenormalsAreZero& operator=(const DenormalsAreZero&) = delete;

 private:
#if defined(__x86_64__) || defined(__i386__)
  static constexpr uint64_t kMode = 0x8040;  // of MXCSR: flush to zero, denormals are zero
  static uint64_t mode() { return _mm_getcsr(); }
  static void set_mode(uint64_t mode) { _mm_setcsr(static_cast<uint32_t>(mode)); }
#elif defined(__aarch64__)
  static constexpr uint64_t kMode = uint64_t{1} << 24;  // of FPCR: FZ
  static uint64_t mode() {
    uint64_t mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void set_mode(uint64_t mode) { asm volatile("msr fpcr, %0" ::"r"(mode)); }
#else
  static constexpr uint64_t kMode = 0;
  static uint64_t mode() { return 0; }
  static void set_mode(uint64_t) {}
#endif

  const uint64_t before_;
};

}  // namespace burgeon
