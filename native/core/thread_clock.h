// Time that this thread has run: unlike wall-clock time, other processes on a busy machine do not lengthen it.
#pragma once

#include <chrono>
#include <ctime>

namespace burgeon {

// Seconds. Where the system has no such clock, of the wall; the one of Windows moves 64 times a second, which is too
// few.
inline double thread_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID) && !defined(_WIN32)
  timespec now;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0) {
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace burgeon
