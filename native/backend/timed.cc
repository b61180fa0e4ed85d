#include "backend/timed.h"

#include <chrono>
#include <type_traits>
#include <utility>

#include "core/bfloat16.h"

namespace burgeon {

namespace {

#define BURGEON_TIMED_INDEX(name, Signature) k_##name,
enum TimedOp { BURGEON_OPS(BURGEON_TIMED_INDEX) };
#undef BURGEON_TIMED_INDEX

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

template <class Argument>
void note_size(OpEvent& event, size_t& noted, const Argument& argument) {
  if constexpr (std::is_same_v<Argument, int64_t>) {
    if (noted < event.sizes.size()) event.sizes[noted++] = argument;
  }
}
// Of parts: the elements of all of them.
template <class Part>
void note_size(OpEvent& event, size_t& noted, const Parts<Part>& parts) {
  int64_t elements = 0;
  for (int64_t i = 0; i < parts.count; ++i) elements += parts.first[i].row_count * parts.first[i].cols;
  note_size(event, noted, elements);
}

// The function of one op: Member is its place in Table, an Ops<T, W>, Function its type.
template <class Table, auto Member, int Index, class Function>
struct Timed;

template <class Table, auto Member, int Index, class... Arguments>
struct Timed<Table, Member, Index, void(OpContext&, Arguments...)> {
  static void call(OpContext& context, Arguments... arguments) {
    OpEvent event{Index, 0, 0, context.multiply_adds, {}};
    size_t noted = 0;
    (note_size(event, noted, arguments), ...);
    const auto& ops = *static_cast<const Table*>(context.log->ops());
    context.log->begin();
    (ops.*Member)(context, arguments...);
    event.multiply_adds = context.multiply_adds - event.multiply_adds;
    context.log->end(event);
  }
};

// Ops whose marks are kept at a time: more than a step of most models has, so that nothing is waited for within one.
constexpr size_t kMarkedOps = 4096;

}  // namespace

void OpLog::open(const void* ops, Device* device) {
  ops_ = ops;
  device_ = device;
  // And one that tells what time it is.
  if (device_) device_->keep_marks(2 * kMarkedOps + 1);
}

void OpLog::begin() {
  if (marks_.size() == kMarkedOps) read_marks();
  begun_ = device_ ? device_->mark() : now_ns();
}

void OpLog::end(const OpEvent& event) {
  events_.push_back(event);
  if (device_) {
    marks_.push_back({begun_, device_->mark()});
  } else {
    events_.back().start_ns = begun_;
    events_.back().duration_ns = now_ns() - begun_;
  }
}

void OpLog::read_marks() {
  if (marks_.empty()) return;
  // The last mark of all is passed now, which ties the device's clock to ours.
  const int64_t last = device_->mark();
  device_->milliseconds(marks_.front().before, last);
  const int64_t now = now_ns();
  const auto ns_between = [&](int64_t from, int64_t to) {
    return static_cast<int64_t>(1e6 * device_->milliseconds(from, to));
  };
  OpEvent* event = events_.data() + events_.size() - marks_.size();
  for (const Marks& marks : marks_) {
    event->start_ns = now - ns_between(marks.before, last);
    event->duration_ns = ns_between(marks.before, marks.after);
    ++event;
  }
  marks_.clear();
}

std::vector<OpEvent> OpLog::take() {
  read_marks();
  return std::exchange(events_, {});
}

const std::vector<const char*>& timed_op_names() {
#define BURGEON_TIMED_NAME(name, Signature) #name,
  static const std::vector<const char*> names = {BURGEON_OPS(BURGEON_TIMED_NAME)};
#undef BURGEON_TIMED_NAME
  return names;
}

template <class T, class W>
Backend<T, W> time_ops(Backend<T, W> backend, TimedOps<T, W>* timed) {
  timed->log.open(backend.ops, backend.device->queue() ? backend.device.get() : nullptr);
  timed->ops = *backend.ops;
  using Table = Ops<T, W>;
#define BURGEON_TIMED_WRAP(name, Signature) \
  if (timed->ops.name) timed->ops.name = &Timed<Table, &Table::name, k_##name, Signature<T, W>>::call;
  BURGEON_OPS(BURGEON_TIMED_WRAP)
#undef BURGEON_TIMED_WRAP
  backend.ops = &timed->ops;
  return backend;
}

template Backend<float> time_ops(Backend<float>, TimedOps<float>*);
template Backend<double> time_ops(Backend<double>, TimedOps<double>*);
template Backend<bfloat16> time_ops(Backend<bfloat16>, TimedOps<bfloat16>*);
template Backend<bfloat16, float> time_ops(Backend<bfloat16, float>, TimedOps<bfloat16, float>*);

}  // namespace burgeon
