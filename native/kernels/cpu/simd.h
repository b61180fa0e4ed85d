// One vector type per instruction set, through the compilers' portable vector extension, so the same text serves SSE2,
// AVX2, AVX-512 and NEON; intrinsics only where the extension has no word for it. Included only by files that are
// compiled once per instruction set with
// BURGEON_ISA set; everything lives in that namespace, because the linker would otherwise merge inline functions across
// instruction sets and could keep the AVX-512 copy for everyone. For the same reason these files include no C++ headers
// with inline functions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "core/master.h"
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
typedef uint32_t BitsVec __attribute__((vector_size(kWidth * 4)));

BURGEON_INLINE Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
BURGEON_INLINE void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
BURGEON_INLINE Vec splat(float x) { return x - Vec{}; }
BURGEON_INLINE BitsVec bits(Vec v) { return reinterpret_cast<BitsVec>(v); }
BURGEON_INLINE Vec from_bits(BitsVec v) { return reinterpret_cast<Vec>(v); }

// The first `count` lanes, none where count <= 0; the others are `fill` on load and untouched on store.
#if defined(__AVX512F__)
BURGEON_INLINE __mmask16 first_lanes(int64_t count) {
  return count >= kWidth ? 0xffff : count <= 0 ? 0 : static_cast<__mmask16>((1u << count) - 1);
}
BURGEON_INLINE Vec load_first(const float* p, int64_t count, float fill = 0) {
  return _mm512_mask_loadu_ps(splat(fill), first_lanes(count), p);
}
BURGEON_INLINE void store_first(float* p, Vec v, int64_t count) { _mm512_mask_storeu_ps(p, first_lanes(count), v); }
#elif defined(__AVX2__)
BURGEON_INLINE __m256i first_lanes(int64_t count) {
  const IntVec lane = {0, 1, 2, 3, 4, 5, 6, 7};
  return reinterpret_cast<__m256i>(lane < static_cast<int32_t>(count < 0 ? 0 : count > kWidth ? kWidth : count));
}
BURGEON_INLINE Vec load_first(const float* p, int64_t count, float fill = 0) {
  const __m256i mask = first_lanes(count);
  return reinterpret_cast<IntVec>(mask) ? reinterpret_cast<Vec>(_mm256_maskload_ps(p, mask)) : splat(fill);
}
BURGEON_INLINE void store_first(float* p, Vec v, int64_t count) { _mm256_maskstore_ps(p, first_lanes(count), v); }
#else
BURGEON_INLINE Vec load_first(const float* p, int64_t count, float fill = 0) {
  Vec v = splat(fill);
  for (int64_t i = 0; i < count && i < kWidth; ++i) v[i] = p[i];
  return v;
}
BURGEON_INLINE void store_first(float* p, Vec v, int64_t count) {
  for (int64_t i = 0; i < count && i < kWidth; ++i) p[i] = v[i];
}
#endif

// The nearest bfloat16 in the upper half of each lane, ties to even; NaN stays NaN.
BURGEON_INLINE BitsVec round_to_bfloat16(Vec x) {
  const BitsVec raw = bits(x);
  const BitsVec rounded = raw + 0x7fffu + ((raw >> 16) & 1u);
  return (x == x ? rounded : (raw | 0x400000u)) & 0xffff0000u;
}

// As above for bfloat16 in memory: widened when loaded, rounded when stored.
typedef uint16_t HalfVec __attribute__((vector_size(kWidth * 2)));
typedef uint16_t UnalignedHalfVec __attribute__((vector_size(kWidth * 2), aligned(2), may_alias));

BURGEON_INLINE Vec widen(HalfVec v) { return from_bits(__builtin_convertvector(v, BitsVec) << 16); }
BURGEON_INLINE HalfVec narrow(Vec v) {
#if defined(__AVX512BF16__)
  return reinterpret_cast<HalfVec>(_mm512_cvtneps_pbh(v));
#else
  return __builtin_convertvector(round_to_bfloat16(v) >> 16, HalfVec);
#endif
}
BURGEON_INLINE HalfVec load_halves(const bfloat16* p) { return *reinterpret_cast<const UnalignedHalfVec*>(p); }
BURGEON_INLINE HalfVec load_first_halves(const bfloat16* p, int64_t count) {
#if defined(__AVX512F__)
  return reinterpret_cast<HalfVec>(_mm256_maskz_loadu_epi16(first_lanes(count), p));
#else
  HalfVec v = {};
  for (int64_t i = 0; i < count && i < kWidth; ++i) v[i] = p[i].bits;
  return v;
#endif
}
BURGEON_INLINE Vec load(const bfloat16* p) { return widen(load_halves(p)); }
BURGEON_INLINE void store(bfloat16* p, Vec v) { *reinterpret_cast<UnalignedHalfVec*>(p) = narrow(v); }
BURGEON_INLINE Vec load_first(const bfloat16* p, int64_t count) { return widen(load_first_halves(p, count)); }
BURGEON_INLINE void store_first(bfloat16* p, Vec v, int64_t count) {
  const HalfVec halves = narrow(v);
#if defined(__AVX512F__)
  _mm256_mask_storeu_epi16(p, first_lanes(count), reinterpret_cast<__m256i>(halves));
#else
  for (int64_t i = 0; i < count && i < kWidth; ++i) p[i].bits = halves[i];
#endif
}

// Single numbers.
BURGEON_INLINE float load_one(const float* p) { return *p; }
BURGEON_INLINE float load_one(const bfloat16* p) { return load_first(p, 1)[0]; }
BURGEON_INLINE void store_one(float* p, float x) { *p = x; }
BURGEON_INLINE void store_one(bfloat16* p, float x) { store_first(p, splat(x), 1); }

template <class T>
constexpr int64_t kLine = 64 / sizeof(T);  // numbers in a cache line

// Fetches the cache lines of [p, p + count) that will be read, or with kWrite changed, after the current row: what the
// hardware does not foresee at the end of a row.
template <bool kWrite = false, class T>
BURGEON_INLINE void prefetch_row(const T* p, int64_t count) {
  for (int64_t i = 0; i < count; i += kLine<T>) __builtin_prefetch(p + i, kWrite);
}

BURGEON_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
BURGEON_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr BURGEON_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A vector whose lane l is lane LANE(l) of `a` and, from kWidth on, of `b`. LANE is a macro that gives a constant.
#if defined(__AVX512F__)
#define BURGEON_LANES(LANE)                                                                                     \
  LANE(0), LANE(1), LANE(2), LANE(3), LANE(4), LANE(5), LANE(6), LANE(7), LANE(8), LANE(9), LANE(10), LANE(11), \
      LANE(12), LANE(13), LANE(14), LANE(15)
#elif defined(__AVX2__)
#define BURGEON_LANES(LANE) LANE(0), LANE(1), LANE(2), LANE(3), LANE(4), LANE(5), LANE(6), LANE(7)
#else
#define BURGEON_LANES(LANE) LANE(0), LANE(1), LANE(2), LANE(3)
#endif
#if defined(__clang__)
#define BURGEON_SHUFFLE(a, b, LANE) __builtin_shufflevector(a, b, BURGEON_LANES(LANE))
#else
#define BURGEON_SHUFFLE(a, b, LANE) __builtin_shuffle(a, b, IntVec{BURGEON_LANES(LANE)})
#endif

// One stage of a transposition: swaps the off-diagonal blocks of `Block` x `Block` lanes between rows that far apart.
template <int Block>
BURGEON_INLINE void transpose_stage(Vec* rows) {
#define BURGEON_UPPER(l) ((l)&Block ? kWidth + (l)-Block : (l))
#define BURGEON_LOWER(l) ((l)&Block ? kWidth + (l) : (l) + Block)
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) {
    if (i & Block) continue;
    const Vec upper = BURGEON_SHUFFLE(rows[i], rows[i + Block], BURGEON_UPPER);
    const Vec lower = BURGEON_SHUFFLE(rows[i], rows[i + Block], BURGEON_LOWER);
    rows[i] = upper;
    rows[i + Block] = lower;
  }
#undef BURGEON_UPPER
#undef BURGEON_LOWER
}

// Transposes kWidth rows in place.
BURGEON_INLINE void transpose(Vec* rows) {
  transpose_stage<1>(rows);
  transpose_stage<2>(rows);
#if defined(__AVX2__)
  transpose_stage<4>(rows);
#endif
#if defined(__AVX512F__)
  transpose_stage<8>(rows);
#endif
}

// Keeps NaN: a comparison with NaN is false, and the second operand of the choice is the running value.
BURGEON_INLINE Vec largest(Vec running, Vec v) { return v > running ? v : running; }

// Lane 0 of a tree over halves: the same order on every instruction set of that width.
template <class Combine>
BURGEON_INLINE float reduce_lanes(Vec v, Combine combine) {
#define BURGEON_AWAY_8(l) ((l) ^ 8)
#define BURGEON_AWAY_4(l) ((l) ^ 4)
#define BURGEON_AWAY_2(l) ((l) ^ 2)
#define BURGEON_AWAY_1(l) ((l) ^ 1)
#if defined(__AVX512F__)
  v = combine(v, BURGEON_SHUFFLE(v, v, BURGEON_AWAY_8));
#endif
#if defined(__AVX2__)
  v = combine(v, BURGEON_SHUFFLE(v, v, BURGEON_AWAY_4));
#endif
  v = combine(v, BURGEON_SHUFFLE(v, v, BURGEON_AWAY_2));
  v = combine(v, BURGEON_SHUFFLE(v, v, BURGEON_AWAY_1));
  return v[0];
}

BURGEON_INLINE float sum_lanes(Vec v) {
  return reduce_lanes(v, [](Vec a, Vec b) { return a + b; });
}

// NaN where any lane is.
BURGEON_INLINE float largest_lane(Vec v) {
  return reduce_lanes(v, [](Vec a, Vec b) { return a != a || a > b ? a : b; });
}

// The first `count` lanes of v (none where count <= 0), `other` in the rest.
BURGEON_INLINE Vec keep_first(Vec v, int64_t count, float other) {
#define BURGEON_SAME(l) (l)
  const IntVec lane = {BURGEON_LANES(BURGEON_SAME)};
  return lane < static_cast<int32_t>(smaller(count, kWidth)) ? v : splat(other);
}

BURGEON_INLINE Vec square_root(Vec v) {
#if defined(__AVX512F__)
  return _mm512_sqrt_ps(v);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(v);
#else
  Vec root;
  for (int i = 0; i < kWidth; ++i) root[i] = __builtin_sqrtf(v[i]);
  return root;
#endif
}

// e^x to within 1.2 ulp (measured over all floats in range); 0 below -87.33 (the last normal result), +inf above 88.72,
// NaN for NaN. Cody-Waite reduction to |r| <= ln2/2 and a degree-6 polynomial (coefficients: Cephes expf).
BURGEON_INLINE Vec exponential(Vec x) {
  const Vec low = splat(-87.33654f);
#if defined(__AVX512F__)
  // 2^128 overflows by itself; what is below the bound is masked away, whatever it became.
  const __mmask16 not_below = _mm512_cmp_ps_mask(x, low, _CMP_NLT_UQ);
  const Vec bounded = _mm512_min_ps(splat(89.0f), x);  // NaN in the second operand stays
#else
  const Vec high = splat(88.72283f);
  const Vec bounded = x > high ? high : (x < low ? low : x);
#endif
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
#if defined(__AVX512F__)
  return _mm512_maskz_scalef_ps(not_below, e_r, n);
#else
  // 2^n in two factors, because 2^128 is no float while e^88.7 is.
  const IntVec exponent = __builtin_convertvector(n, IntVec);
  const IntVec half = exponent >> 1;
  const Vec scale1 = reinterpret_cast<Vec>((half + 127) << 23);
  const Vec scale2 = reinterpret_cast<Vec>((exponent - half + 127) << 23);
  const Vec result = e_r * scale1 * scale2;
  const Vec infinite = splat(__builtin_inff());
  return x < low ? Vec{} : (x > high ? infinite : result);
#endif
}

// The natural logarithm of positive normal numbers to within 1 ulp; NaN and +inf are their own. A number is 2^n m with
// m from sqrt(1/2) to sqrt(2), and log(1 + r) a polynomial of degree 9 (coefficients: Cephes logf).
BURGEON_INLINE Vec logarithm(Vec x) {
  const IntVec bits = reinterpret_cast<IntVec>(x);
  const IntVec above = (bits - 0x3f3504f3) >> 23;  // than sqrt(1/2): n
  const Vec n = __builtin_convertvector(above, Vec);
  const Vec r = reinterpret_cast<Vec>(bits - (above << 23)) - 1.0f;
  Vec p = splat(7.0376836292e-2f);
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  const Vec small = p * r * (r * r) + n * -2.12194440e-4f - 0.5f * (r * r);
  return x < __builtin_inff() ? r + small + n * 0.693359375f : x;
}

// e^x and a/b as exact as results need that become a T. Of those rounded to bfloat16, where half a unit is 2^-9 of the
// number, e^x is within 2^-23 (2 + |x|) and 1/b within 2^-14, if the instruction set has instructions for it.
template <class T>
BURGEON_INLINE Vec exponential_for(Vec x) {
#if defined(__AVX512DQ__)
  if (sizeof(T) < sizeof(float)) {
    const Vec t = x * 1.44269504088896341f;
    const Vec r = _mm512_reduce_ps(t, 0x09);  // t - floor(t), 0 if t is infinite
    Vec p = splat(0.001879318645f);
    p = p * r + 0.008990995103f;
    p = p * r + 0.05581867596f;
    p = p * r + 0.2401592715f;
    p = p * r + 0.6931517388f;
    p = p * r + 1.0f;
    return _mm512_scalef_ps(p, t);  // p * 2^floor(t)
  }
#endif
  return exponential(x);
}
template <class T>
BURGEON_INLINE Vec quotient_for(Vec a, Vec b) {
#if defined(__AVX512F__)
  if (sizeof(T) < sizeof(float)) return a * (Vec)_mm512_rcp14_ps(b);
#endif
  return a / b;
}

// The scratch memory of a thread.
BURGEON_INLINE float* scratch_of(const OpContext& ctx, int thread) {
  return reinterpret_cast<float*>(ctx.thread_scratch + thread * ctx.thread_scratch_bytes);
}

// Runs body(task, thread) for task in [0, lead + rest) on the pool; see ThreadPool::run. Each result must have one
// owner and one order of summation, so that bits do not depend on the number of threads.
template <class Body>
BURGEON_INLINE void parallel_for(OpContext& ctx, int64_t lead, int64_t rest, Body body) {
  run_on_pool(
      ctx.pool, lead, rest,
      [](void* argument, int64_t task, int thread) { (*static_cast<Body*>(argument))(task, thread); }, &body);
}
template <class Body>
BURGEON_INLINE void parallel_for(OpContext& ctx, int64_t count, Body body) {
  parallel_for(ctx, count, 0, body);
}

}  // namespace burgeon::BURGEON_ISA
