// One vector type per instruction set, through the compilers' portable vector extension: no intrinsics, so the same
// text serves SSE2, AVX2, AVX-512 and NEON. Included only by files that are compiled once per instruction set with
// BURGEON_ISA set; everything lives in that namespace, because the linker would otherwise merge inline functions across
// instruction sets and could keep the AVX-512 copy for everyone. For the same reason these files include no C++ headers
// with inline functions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/op_context.h"

#ifndef BURGEON_ISA
#error "compile with -DBURGEON_ISA=<namespace of the instruction set>"
#endif

#define BURGEON_INLINE inline __attribute__((always_inline))

namespace burgeon::BURGEON_ISA {

#if defined(__AVX512F__)
constexpr int kWidth = 16;  // floats per vector
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

typedef float Vec __attribute__((vector_size(kWidth * 4)));
typedef float UnalignedVec __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(kWidth * 4)));

BURGEON_INLINE Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
BURGEON_INLINE void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
BURGEON_INLINE Vec splat(float x) { return x - Vec{}; }

// The first `count` < kWidth lanes; the others are `fill` on load and untouched on store.
BURGEON_INLINE Vec load_first(const float* p, int64_t count, float fill = 0) {
  Vec v = splat(fill);
  for (int64_t i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
BURGEON_INLINE void store_first(float* p, Vec v, int64_t count) {
  for (int64_t i = 0; i < count; ++i) p[i] = v[i];
}

BURGEON_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
BURGEON_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
BURGEON_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Keeps NaN: a comparison with NaN is false, and the second operand of the choice is the running value.
BURGEON_INLINE Vec largest(Vec running, Vec v) { return v > running ? v : running; }

BURGEON_INLINE float sum_lanes(Vec v) {
  float lanes[kWidth];
  store(lanes, v);
  for (int step = kWidth / 2; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) lanes[i] += lanes[i + step];
  }
  return lanes[0];
}

BURGEON_INLINE float largest_lane(Vec v) {
  float best = v[0];
  for (int i = 1; i < kWidth; ++i) best = v[i] > best ? v[i] : best;
  return best;
}

BURGEON_INLINE Vec square_root(Vec v) {
  Vec root;
  for (int i = 0; i < kWidth; ++i) root[i] = __builtin_sqrtf(v[i]);
  return root;
}

// e^x to within 1.2 ulp (measured over all floats in range); 0 below -87.33 (the last normal result), +inf above 88.72,
// NaN for NaN. Cody-Waite reduction to |r| <= ln2/2 and a degree-6 polynomial (coefficients: Cephes expf).
BURGEON_INLINE Vec exponential(Vec x) {
  const Vec low = splat(-87.33654f);
  const Vec high = splat(88.72283f);
  const Vec bounded = x > high ? high : (x < low ? low : x);
  const Vec shift = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec n = (bounded * 1.44269504088896341f + shift) - shift;
  const Vec r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
  Vec p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const Vec e_r = p * (r * r) + r + 1.0f;
  // 2^n in two factors, because 2^128 is no float while e^88.7 is.
  const IntVec exponent = __builtin_convertvector(n, IntVec);
  const IntVec half = exponent >> 1;
  const Vec scale1 = reinterpret_cast<Vec>((half + 127) << 23);
  const Vec scale2 = reinterpret_cast<Vec>((exponent - half + 127) << 23);
  const Vec result = e_r * scale1 * scale2;
  const Vec infinite = splat(__builtin_inff());
  return x < low ? Vec{} : (x > high ? infinite : result);
}

// Runs body(task, thread) for task in [0, count) on the pool. Each result must have one owner and one order of
// summation, so that bits do not depend on the number of threads.
template <class Body>
BURGEON_INLINE void parallel_for(OpContext& ctx, int64_t count, Body body) {
  run_on_pool(
      ctx.pool, count,
      [](void* argument, int64_t task, int thread) { (*static_cast<Body*>(argument))(task, thread); }, &body);
}

}  // namespace burgeon::BURGEON_ISA
