#include "backend/cpu/isa.h"

#ifdef BURGEON_X86_ISAS
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace burgeon {

#ifdef BURGEON_X86_ISAS
namespace {

// Tile registers are a processor's and the system's to give: Linux (5.16) wants to be asked once per process, as it
// then keeps 8 KB more for every thread.
bool may_use_amx() {
#ifdef __linux__
  constexpr unsigned kTile = 1u << 24, kBfloat16 = 1u << 22;  // of leaf 7, EDX
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTile) == 0 || (d & kBfloat16) == 0) return false;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // of arch_prctl
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace
#endif

std::string best_isa() {
#ifdef BURGEON_X86_ISAS
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    if (!__builtin_cpu_supports("avx512bf16")) return "avx512";
    static const bool amx = may_use_amx();
    return amx ? "amx" : "avx512bf16";
  }
  if (avx2) return "avx2";
#endif
  return "baseline";
}

}  // namespace burgeon
