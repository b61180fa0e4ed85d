// The table of CUDA ops, for operands of float (for comparison with other backends) or bfloat16.
#pragma once

#include "backend/backend.h"

namespace burgeon::cuda {

template <class T>
const Ops<T>& table();

}  // namespace burgeon::cuda
