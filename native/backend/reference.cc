#include "backend/reference.h"

namespace burgeon::ref {

#define BURGEON_DECLARE_OP(name, Signature) \
  template <class T>                        \
  Signature<T> name;
BURGEON_OPS(BURGEON_DECLARE_OP)
#undef BURGEON_DECLARE_OP

namespace {

// Attention keeps one row of scores; nothing else needs scratch.
ScratchSize scratch_size(const ScratchShape& shape) {
  return {0, static_cast<size_t>(shape.sequence_length) * sizeof(double)};
}

template <class T, bool kCompact>
const Ops<T>& table_for() {
  static const Ops<T> table = [] {
    Ops<T> ops{};
    ops.name = "reference";
    ops.compact = kCompact;
    ops.alignment = 64;
    ops.row_multiple = 1;
    ops.logit_multiple = 1;
    ops.logit_bytes = int64_t{128} << 20;
    ops.scratch_size = scratch_size;
    BURGEON_OPS(BURGEON_SET_OP)
    return ops;
  }();
  return table;
}

}  // namespace

template <class T>
const Ops<T>& table(bool compact) {
  return compact ? table_for<T, true>() : table_for<T, false>();
}

template const Ops<float>& table<float>(bool);
template const Ops<double>& table<double>(bool);

}  // namespace burgeon::ref
