// Times the ops of a table: a second table, whose functions note what they were called with and how long the op of the
// first took. The model calls through it as through any other; OpContext carries the notes.
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

struct OpLog {
  std::vector<OpEvent> events;
  const void* ops;  // the table that computes, Ops<T, W>
};

// Names of the ops in the table, in the order of OpEvent::op.
const std::vector<const char*>& timed_op_names();

template <class T, class W = T>
struct TimedOps {
  OpLog log;
  Ops<T, W> ops;
};

// The backend, with its ops timed into `timed`, which must outlive it. Throws Error(kBackend) where ops are queued on a
// device: they return before they are done.
template <class T, class W>
Backend<T, W> time_ops(Backend<T, W> backend, TimedOps<T, W>* timed);

}  // namespace burgeon
