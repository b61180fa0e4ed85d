#include "backend/cpu/isa.h"

namespace burgeon {

std::string best_isa() {
#ifdef BURGEON_X86_ISAS
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return __builtin_cpu_supports("avx512bf16") ? "avx512bf16" : "avx512";
  }
  if (avx2) return "avx2";
#endif
  return "baseline";
}

}  // namespace burgeon
