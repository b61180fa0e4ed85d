#include "backend/cpu/isa.h"

#ifdef BURGEON_X86_ISAS
#include <cpuid.h>

#include <cstdint>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace burgeon {

#ifdef BURGEON_X86_ISAS
namespace {

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

// All zero for a leaf that this processor does not have.
Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  if (!__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}

constexpr bool has(uint64_t word, uint64_t bits) { return (word & bits) == bits; }
constexpr unsigned bit(int index) { return 1u << index; }

// Which registers the system saves for every thread (XCR0); 0 where it may not be asked.
uint64_t saved_state() {
  if (!has(cpuid(1, 0).c, bit(27))) return 0;  // OSXSAVE
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Tile registers are a processor's and the system's to give: Linux (5.16) wants to be asked once per process, as it
// then keeps 8 KB more for every thread.
bool may_use_amx() {
#ifdef __linux__
  constexpr unsigned kTile = bit(24), kBfloat16 = bit(22);
  if (!has(cpuid(7, 0).d, kTile | kBfloat16)) return false;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // of arch_prctl
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// The compilers' own __builtin_cpu_supports is not used: what it reads lies in a library that not all of them can link
// into a shared one.
std::string best_x86_isa() {
  constexpr unsigned kFma = bit(12), kAvx = bit(28);                   // leaf 1, ECX
  constexpr unsigned kAvx2 = bit(5);                                   // leaf 7, EBX
  constexpr unsigned kAvx512 = bit(16) | bit(17) | bit(30) | bit(31);  // F, DQ, BW, VL: leaf 7, EBX
  constexpr unsigned kAvx512Bf16 = bit(5);                             // leaf 7.1, EAX
  constexpr uint64_t kVectors = 0x6, kWideVectors = kVectors | 0xe0;   // of XCR0
  const uint64_t saved = saved_state();
  const unsigned features = cpuid(7, 0).b;
  if (!has(saved, kVectors) || !has(cpuid(1, 0).c, kFma | kAvx) || !has(features, kAvx2)) return "baseline";
  if (!has(saved, kWideVectors) || !has(features, kAvx512)) return "avx2";
  if (!has(cpuid(7, 1).a, kAvx512Bf16)) return "avx512";
  return may_use_amx() ? "amx" : "avx512bf16";
}

}  // namespace
#endif

std::string best_isa() {
#ifdef BURGEON_X86_ISAS
  static const std::string best = best_x86_isa();
  return best;
#else
  return "baseline";
#endif
}

}  // namespace burgeon
