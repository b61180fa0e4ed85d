// Which instruction sets this processor has, and the tables built for them.
#pragma once

#include <string>

#include "backend/backend.h"

// One library per instruction set in binding.gyp and CMakeLists.txt, each with a table for activations in float32 and
// one for bfloat16.
namespace burgeon::baseline {
template <class T>
const Ops<T, float>& table();
}
#ifdef BURGEON_X86_ISAS
namespace burgeon::avx2 {
template <class T>
const Ops<T, float>& table();
}
namespace burgeon::avx512 {
template <class T>
const Ops<T, float>& table();
}
namespace burgeon::avx512bf16 {
template <class T>
const Ops<T, float>& table();
}
namespace burgeon::amx {
template <class T>
const Ops<T, float>& table();
}
#endif

namespace burgeon {

// "amx", "avx512bf16", "avx512", "avx2" or "baseline": the best this processor and system run and this build holds.
std::string best_isa();

}  // namespace burgeon
