// Times the ops of a table: a second table, whose functions note what they were called with and how long the op of the
// first took. The model calls through it as through any other; OpContext carries the notes. Ops that are queued on a
// device lie between two of its marks, which are read when the device has passed them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "backend/select.h"

namespace burgeon {

// One call of an op.
struct OpEvent {
  int32_t op;        // index into timed_op_names()
  int64_t start_ns;  // std::chrono::steady_clock
  int64_t duration_ns;
  int64_t multiply_adds;
  std::array<int64_t, 5>
      sizes;  // the integers among its arguments, and the elements of its parts, in order; then zeros
};

class OpLog {
 public:
  // `ops`: the table that computes, Ops<T, W>. `device`: of ops that are queued; null where they are done when they
  // return. Both must outlive the log.
  void open(const void* ops, Device* device);
  const void* ops() const { return ops_; }

  // Before and after an op; `event` has everything but its times.
  void begin();
  void end(const OpEvent& event);
  // Waits for the ops, and gives them away in their order. Throws Error(kCuda).
  std::vector<OpEvent> take();

 private:
  struct Marks {
    int64_t before;
    int64_t after;
  };
  // Gives the last events their times, which are between marks.
  void read_marks();

  const void* ops_ = nullptr;
  Device* device_ = nullptr;
  int64_t begun_ = 0;  // a mark of the device, or the clock
  std::vector<OpEvent> events_;
  std::vector<Marks> marks_;  // of the last events, whose times are not known yet
};

// Names of the ops in the table, in the order of OpEvent::op.
const std::vector<const char*>& timed_op_names();

template <class T, class W = T>
struct TimedOps {
  OpLog log;
  Ops<T, W> ops;
};

// The backend, with its ops timed into `timed`, which must outlive it.
template <class T, class W>
Backend<T, W> time_ops(Backend<T, W> backend, TimedOps<T, W>* timed);

}  // namespace burgeon
