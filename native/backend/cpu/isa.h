// Which instruction sets this processor has, and the tables built for them.
#pragma once

#include <string>

#include "backend/backend.h"

// One table per library of binding.gyp / CMakeLists.txt.
namespace burgeon::baseline {
const Ops<float>& table();
}
#ifdef BURGEON_X86_ISAS
namespace burgeon::avx2 {
const Ops<float>& table();
}
namespace burgeon::avx512 {
const Ops<float>& table();
}
#endif

namespace burgeon {

// "avx512", "avx2" or "baseline": the best this processor runs and this build holds.
std::string best_isa();

}  // namespace burgeon
