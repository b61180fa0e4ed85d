// The micro-kernel: one packed panel of A (mr x kc) times one of B (kc x nr), how it wants them to lie, and how large
// blocks around it may be. Micro-tiles in vector registers (micro_tile.h) serve every operand; bfloat16, and float32 in
// parts, have AMX where the instruction set includes it.
#pragma once

#include "kernels/cpu/micro_tile.h"

#if defined(__AMX_BF16__)
#include <immintrin.h>
#endif

namespace burgeon::BURGEON_ISA {

template <class Operand>
struct MicroKernel {
  static constexpr int kMr = kVectorMr;
  static constexpr int kNr = kVectorNr;
  using PanelA = Panel<Operand, kMr, 1, false>;
  using PanelB = Panel<Operand, kNr, 1, false>;
  // kc, in units of the operand format. A panel of A (18 KB with AVX-512) stays in the first-level cache while the
  // panels of B of a task (295 KB) pass by it from the second level, once per panel of A.
  static constexpr int64_t kKcUnits = 384;
  // Panels of A and of B packed at a time, so that whole cache lines are read.
  static constexpr int kPackedA = 4;
  static constexpr int kPackedB = 3;
  // At most, of a resident block, and of what streams past it at a time: 2.4 MB in the third-level cache, 147 KB in the
  // second.
  static constexpr int64_t kResidentFloats = 1536 * kKcUnits, kStreamedFloats = 96 * kKcUnits;
  static constexpr int64_t kMostCopies = 2;  // at most so many threads each pack a copy of the resident block
  static_assert(kMostCopies <= 2);           // the scratch has room for two
  static constexpr bool kSumsInMemory = false;

  // What a thread holds while it multiplies.
  struct Scope {
    BURGEON_INLINE Scope() {}
  };

  BURGEON_INLINE static MicroTile<kMr> multiply(int64_t units, const float* a, const float* b) {
    return multiply_micro_tile<kMr, Operand>(units, a, 1, kMr, b, kNr);
  }
  // Assigns the sums to rows of stride `c_row`, or adds to them.
  BURGEON_INLINE static void multiply_into(int64_t units, const float* a, const float* b, float* c, int64_t c_row,
                                           bool adds) {
    store_micro_tile(multiply(units, a, b), c, c_row, adds);
  }
};

#if defined(__AMX_BF16__)

struct AmxConfiguration {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(AmxConfiguration) == 64);
constexpr AmxConfiguration kAmxConfiguration;  // a constant, as GCC does not know that all of it is read

// Tile registers of 16 rows of 64 bytes: A as 16 lanes of 16 units, B as 16 units of 16 lanes, sums as 16 x 16 floats.
// Four sums (tiles 0 to 3) share two tiles of A (4, 5) and two of B (6, 7), so that a kilobyte is loaded for each 8,192
// multiply-adds.
template <class Operand>
struct AmxKernel {
  static constexpr int kMr = 32;
  static constexpr int kNr = 32;
  using PanelA = Panel<Operand, kMr, kWidth, true>;
  using PanelB = Panel<Operand, kNr, kWidth, false>;
  static_assert(kWidth == 16 && kNr == kVectorNr);
  static constexpr int kPackedA = 2;
  static constexpr int kPackedB = 2;
  // As above: 1.2 of the 2 MB of a second-level cache, and 295 KB beside them.
  static constexpr int64_t kResidentFloats = 294912, kStreamedFloats = 73728;
  static constexpr int64_t kMostCopies = 0;  // packing takes too large a share
  static constexpr bool kSumsInMemory = true;
  // Of kc multiplied at once: 24 KB of a panel of A, half of the first-level cache.
  static constexpr int64_t kChunkUnits = 192;

  // The tile registers are set up, and given back: until then the system saves 8 KB more whenever it switches threads.
  struct Scope {
    BURGEON_INLINE Scope() { _tile_loadconfig(&kAmxConfiguration); }
    BURGEON_INLINE ~Scope() { _tile_release(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

 protected:
  BURGEON_INLINE static void load_sums(const float* c, int64_t c_row, bool adds) {
    asm volatile("" ::: "memory");  // GCC does not know that its tile loads read memory
    if (adds) {
      const int64_t bytes = c_row * static_cast<int64_t>(sizeof(float));
      _tile_loadd(0, c, bytes);
      _tile_loadd(1, c + kWidth, bytes);
      _tile_loadd(2, c + kWidth * c_row, bytes);
      _tile_loadd(3, c + kWidth * c_row + kWidth, bytes);
    } else {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  BURGEON_INLINE static void store_sums(float* c, int64_t c_row) {
    const int64_t bytes = c_row * static_cast<int64_t>(sizeof(float));
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + kWidth, bytes);
    _tile_stored(2, c + kWidth * c_row, bytes);
    _tile_stored(3, c + kWidth * c_row + kWidth, bytes);
  }

  static constexpr int64_t kBytesA = kWidth * sizeof(float), kBytesB = kNr * sizeof(float);
  static constexpr int64_t kSquare = kWidth * kWidth;
};

template <>
struct MicroKernel<Bfloat16> : AmxKernel<Bfloat16> {
  static constexpr int64_t kKcUnits = 384;

  BURGEON_INLINE static void multiply_into(int64_t units, const float* a, const float* b, float* c, int64_t c_row,
                                           bool adds) {
    load_sums(c, c_row, adds);
#pragma GCC unroll 1  // or the compiler keeps addresses of many steps in vector registers
    for (int64_t u = 0; u < units; u += kWidth) {
      _tile_loadd(4, a, kBytesA);
      _tile_stream_loadd(6, b, kBytesB);  // does not push A out of the first-level cache
      _tile_dpbf16ps(0, 4, 6);
      _tile_stream_loadd(7, b + kWidth, kBytesB);
      _tile_dpbf16ps(1, 4, 7);
      _tile_loadd(5, a + kSquare, kBytesA);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
      a += kMr * kWidth;
      b += kNr * kWidth;
    }
    store_sums(c, c_row);
  }
};

// float32 at a sixth of the speed of bfloat16, where that is over ten times the speed of float32: the products of three
// parts with three, but for those of the smaller parts with each other.
template <>
struct MicroKernel<SplitFloat32> : AmxKernel<SplitFloat32> {
  static constexpr int64_t kKcUnits = 768;

  BURGEON_INLINE static void multiply_into(int64_t units, const float* a, const float* b, float* c, int64_t c_row,
                                           bool adds) {
    constexpr int64_t kPartA = kMr * kWidth, kPartB = kNr * kWidth;  // high, middle, low
    load_sums(c, c_row, adds);
#pragma GCC unroll 1
    for (int64_t u = 0; u < units; u += kWidth * SplitFloat32::kParts) {
      load_a(a + 2 * kPartA);
      load_b(b);
      add_products();
      load_a(a + kPartA);
      add_products();
      load_b(b + kPartB);
      add_products();
      load_a(a);
      add_products();
      load_b(b + 2 * kPartB);
      add_products();
      load_b(b);
      add_products();
      a += SplitFloat32::kParts * kPartA;
      b += SplitFloat32::kParts * kPartB;
    }
    store_sums(c, c_row);
  }

 private:
  BURGEON_INLINE static void load_a(const float* a) {
    _tile_loadd(4, a, kBytesA);
    _tile_loadd(5, a + kSquare, kBytesA);
  }
  BURGEON_INLINE static void load_b(const float* b) {
    _tile_loadd(6, b, kBytesB);
    _tile_loadd(7, b + kWidth, kBytesB);
  }
  BURGEON_INLINE static void add_products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
};

#endif

// How large products read an operand.
template <class Operand>
struct LargeKernel {
  using Kernel = MicroKernel<Operand>;
};
#if defined(__AMX_BF16__)
template <>
struct LargeKernel<Float32> {
  using Kernel = MicroKernel<SplitFloat32>;
};
#endif

}  // namespace burgeon::BURGEON_ISA
