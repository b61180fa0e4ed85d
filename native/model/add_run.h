// The sum of two arrays, by the threads of a backend.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/backend.h"
#include "core/master.h"

namespace burgeon {

// to += from.
template <class T, class W>
void add_run(const Ops<T, W>& ops, OpContext& context, Master<T>* to, const Master<T>* from, int64_t count) {
  if (ops.scatter_add) {
    const ScatteredRows<Master<T>> run{to, from, nullptr, 1, count};
    ops.scatter_add(context, {&run, 1});
    return;
  }
  struct Run {
    Master<T>* to;
    const Master<T>* from;
    int64_t count;
  } run{to, from, count};
  constexpr int64_t kBlock = 1 << 16;
  const auto add = [](void* argument, int64_t block, int) {
    const Run& each = *static_cast<const Run*>(argument);
    const int64_t end = std::min(each.count, (block + 1) * kBlock);
    for (int64_t i = block * kBlock; i < end; ++i) each.to[i] += each.from[i];
  };
  run_on_pool(context.pool, (count + kBlock - 1) / kBlock, 0, add, &run);
}

}  // namespace burgeon
