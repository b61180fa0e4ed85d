// Which instruction sets this processor has, and the tables built for them.
#pragma once

#include <string>

#include "backend/backend.h"

// One library per instruction set in binding.gyp and CMakeLists.txt, each with a table for float32 and one for bfloat16
// operands of the products.
namespace burgeon::baseline {
const Ops<float>& table(bool bfloat16);
}
#ifdef BURGEON_X86_ISAS
namespace burgeon::avx2 {
const Ops<float>& table(bool bfloat16);
}
namespace burgeon::avx512 {
const Ops<float>& table(bool bfloat16);
}
namespace burgeon::avx512bf16 {
const Ops<float>& table(bool bfloat16);
}
namespace burgeon::amx {
const Ops<float>& table(bool bfloat16);
}
#endif

namespace burgeon {

// "amx", "avx512bf16", "avx512", "avx2" or "baseline": the best this processor and system run and this build holds.
std::string best_isa();

}  // namespace burgeon
