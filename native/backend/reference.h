// The table of plain reference ops.
#pragma once

#include "backend/backend.h"

namespace burgeon::ref {

template <class T>
const Ops<T>& table(bool compact = false);

}  // namespace burgeon::ref
