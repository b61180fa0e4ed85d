// What one call of an op works on, where that is rows of several matrices: an array of parts. Included by files that
// are compiled once per instruction set, so it defines no functions.
#pragma once

#include <stdint.h>

namespace burgeon {

template <class Part>
struct Parts {
  const Part* first;
  int64_t count;
};

}  // namespace burgeon
