// How products read their operands: panels of 4-byte units. A unit of `Float32` is one float; a unit of `Bfloat16` is
// two neighbours along the shared dimension, rounded to bfloat16 (nearest, ties to even), multiplied and summed in
// float32. Without an instruction for pairs, `Bfloat16` keeps the rounded value as a float: the same products, at the
// speed of float32. `SplitFloat32` is float32 for AMX: pairs of neighbours in three parts of bfloat16 each.
#pragma once

#include "kernels/cpu/simd.h"

namespace burgeon::BURGEON_ISA {

struct Float32 {
  static constexpr int kDepth = 1;  // positions of the shared dimension per unit
  static constexpr int kParts = 1;  // numbers that add up to one of the operand

  // kWidth units from consecutive numbers, of which `count` exist.
  BURGEON_INLINE static Vec units(const float* p, int64_t count) { return lanes(p, count); }
  // One position of kWidth lanes, of which `count` exist, as `unit` takes it.
  BURGEON_INLINE static Vec lanes(const float* p, int64_t count) {
    return count >= kWidth ? load(p) : load_first(p, count);
  }
  // One unit of kWidth lanes; row(d) are the lanes of its d-th position.
  template <class Row>
  BURGEON_INLINE static Vec unit(Row row) {
    return row(0);
  }
  BURGEON_INLINE static Vec broadcast(const float* p) { return splat(*p); }
  BURGEON_INLINE static void multiply_add(Vec& sum, Vec a, Vec b) { sum += a * b; }
  // A value as the product sees it.
  BURGEON_INLINE static Vec rounded(Vec v) { return v; }
};

#if defined(__AVX512BF16__)

struct Bfloat16 {
  static constexpr int kDepth = 2;
  static constexpr int kParts = 1;

  typedef uint16_t Halves __attribute__((vector_size(64)));
  static constexpr Halves kInterleaved = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                          8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  // `halves` holds the even positions below the odd ones.
  BURGEON_INLINE static Vec interleaved(__m512i halves) {
    return (Vec)_mm512_permutexvar_epi16((__m512i)kInterleaved, halves);
  }
  BURGEON_INLINE static Vec pairs(Vec even, Vec odd) { return interleaved((__m512i)_mm512_cvtne2ps_pbh(odd, even)); }
  BURGEON_INLINE static Vec pairs(HalfVec even, HalfVec odd) {
    return interleaved(_mm512_inserti64x4(_mm512_castsi256_si512((__m256i)even), (__m256i)odd, 1));
  }
  BURGEON_INLINE static Vec units(const float* p, int64_t count) {
    return (Vec)_mm512_cvtne2ps_pbh(Float32::lanes(p + kWidth, count - kWidth), Float32::lanes(p, count));
  }
  BURGEON_INLINE static Vec units(const bfloat16* p, int64_t count) {
    if (count >= 2 * kWidth) return (Vec)_mm512_loadu_si512(p);
    const __mmask32 there = count <= 0 ? 0 : static_cast<__mmask32>((1u << count) - 1);
    return (Vec)_mm512_maskz_loadu_epi16(there, p);
  }
  BURGEON_INLINE static Vec lanes(const float* p, int64_t count) { return Float32::lanes(p, count); }
  BURGEON_INLINE static HalfVec lanes(const bfloat16* p, int64_t count) {
    return count >= kWidth ? load_halves(p) : load_first_halves(p, count);
  }
  template <class Row>
  BURGEON_INLINE static Vec unit(Row row) {
    return pairs(row(0), row(1));
  }
  BURGEON_INLINE static Vec broadcast(const float* p) {
    typedef uint32_t __attribute__((may_alias)) Pair;
    return from_bits(*reinterpret_cast<const Pair*>(p) + BitsVec{});
  }
  BURGEON_INLINE static void multiply_add(Vec& sum, Vec a, Vec b) {
    sum = _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
  }
  BURGEON_INLINE static Vec rounded(Vec v) { return from_bits(round_to_bfloat16(v)); }
};

#else

struct Bfloat16 : Float32 {
  BURGEON_INLINE static Vec lanes(const float* p, int64_t count) { return rounded(Float32::lanes(p, count)); }
  BURGEON_INLINE static Vec lanes(const bfloat16* p, int64_t count) {
    return count >= kWidth ? load(p) : load_first(p, count);
  }
  template <class T>
  BURGEON_INLINE static Vec units(const T* p, int64_t count) {
    return lanes(p, count);
  }
  BURGEON_INLINE static Vec rounded(Vec v) { return from_bits(round_to_bfloat16(v)); }
};

#endif

BURGEON_INLINE Vec part_of(Vec units, int) { return units; }

#if defined(__AMX_BF16__)

// A float32 as the sum of three bfloat16, each the nearest to what is left: 24 bits, so nothing is. Products leave out
// the smallest three of nine terms, together less than 2^-24 of the product. Numbers below 1.2e-38 are zero;
// infinities, and what is above 3.39e38, become NaN.
struct SplitFloat32 {
  static constexpr int kDepth = 2;
  static constexpr int kParts = 3;

  struct Parts {
    Vec high, middle, low;
  };
  // kWidth units from 2 kWidth consecutive numbers.
  BURGEON_INLINE static Parts split(Vec first, Vec second) {
    const Vec high = (Vec)_mm512_cvtne2ps_pbh(second, first);
    rest_of(first, second, high);
    const Vec middle = (Vec)_mm512_cvtne2ps_pbh(second, first);
    rest_of(first, second, middle);
    return {high, middle, (Vec)_mm512_cvtne2ps_pbh(second, first)};
  }
  BURGEON_INLINE static Parts units(const float* p, int64_t count) {
    return split(Float32::lanes(p, count), Float32::lanes(p + kWidth, count - kWidth));
  }
  BURGEON_INLINE static Vec lanes(const float* p, int64_t count) { return Float32::lanes(p, count); }
  template <class Row>
  BURGEON_INLINE static Parts unit(Row row) {
    const Parts parts = split(row(0), row(1));
    return {Bfloat16::interleaved((__m512i)parts.high), Bfloat16::interleaved((__m512i)parts.middle),
            Bfloat16::interleaved((__m512i)parts.low)};
  }

 private:
  // What is left of two vectors without a part of them.
  BURGEON_INLINE static void rest_of(Vec& first, Vec& second, Vec part) {
    const __m512i halves = (__m512i)part;
    first -= widen((HalfVec)_mm512_castsi512_si256(halves));
    second -= widen((HalfVec)_mm512_maskz_extracti64x4_epi64(0xf, halves, 1));
  }
};

BURGEON_INLINE Vec part_of(const SplitFloat32::Parts& units, int part) {
  return part == 0 ? units.high : part == 1 ? units.middle : units.low;
}

#endif

// What products make of activations of type T.
template <class T>
struct OperandFor {
  using type = Float32;
};
template <>
struct OperandFor<bfloat16> {
  using type = Bfloat16;
};
template <class T>
using OperandOf = typename OperandFor<T>::type;

// A panel is kLanes rows of A or columns of B, [unit][lane]; or, where the instructions want it so, [unit / kWidth]
// [lane][unit % kWidth]: squares of lanes that are each one vector of neighbouring units. kUnitStep: units are padded
// with zeros to a multiple of it. Where numbers come in parts, kWidth units of one part follow those of another.
template <class Operand_, int kLanes_, int kUnitStep_, bool kSquares_>
struct Panel {
  using Operand = Operand_;
  static constexpr int kLanes = kLanes_;
  static constexpr bool kSquares = kSquares_;
  static constexpr int kParts = Operand::kParts;
  static_assert((!kSquares && kParts == 1) || (kUnitStep_ % kWidth == 0 && kLanes % kWidth == 0));

  // Of all parts.
  static constexpr int64_t units(int64_t depth) {
    return ceil_div(depth, Operand::kDepth * kUnitStep_) * kUnitStep_ * kParts;
  }
  static constexpr int64_t floats(int64_t lanes, int64_t depth) {
    return ceil_div(lanes, kLanes) * kLanes * units(depth);
  }
  // Those wholly within.
  static constexpr int64_t whole_units(int64_t depth) {
    return depth / (Operand::kDepth * kUnitStep_) * kUnitStep_ * kParts;
  }
  static constexpr int64_t depth(int64_t units) { return units / kParts * Operand::kDepth; }
};

// Stores the first `width` lanes of a unit. Where a panel is narrower than a vector, the rest may spill into the next
// unit, which is written afterwards; only the last unit has none.
template <int Lanes>
BURGEON_INLINE void store_lanes(float* p, Vec v, int64_t width, bool last) {
  if (width == kWidth || (Lanes < kWidth && !last)) {
    store(p, v);
  } else {
    store_first(p, v, width);
  }
}

// The vectors of a panel reach so many lanes beyond it, maybe into a cache line of their own.
template <int Lanes>
constexpr int64_t overread = ceil_div(Lanes, kWidth) * kWidth - Lanes;

// Into the second-level cache. Always inlined, here and where it is called: GCC takes a function that only fetches for
// one without effect, and leaves its calls out.
template <class T>
BURGEON_INLINE void fetch_run(const T* p, int64_t count) {
  for (int64_t i = 0; i < count; i += kLine<T>) __builtin_prefetch(p + i, 0, 2);
}

// How the operands of a product lie in memory, and how they are packed: `pack` writes `panels` panels of
// Panel::units(depth) units from lane `lane` and position `k` on; lanes at or beyond `lanes` and positions beyond
// `depth` become zero. `fetch` fetches part `part` of `parts` of what packing `lanes` lanes will read.

// Element (lane, k) at data[lane * stride + k]; lane l is row rows[l] where a list is given.
template <class T>
struct LaneRows {
  const T* data;
  int64_t stride;
  const int32_t* rows;

  template <int Lanes>
  BURGEON_INLINE void fetch(int64_t lane, int64_t lanes, int64_t k, int64_t depth, int64_t part, int64_t parts) const {
    for (int64_t l = lanes * part / parts; l < lanes * (part + 1) / parts; ++l) {
      fetch_run(data + (rows ? rows[lane + l] : lane + l) * stride + k, depth);
    }
  }

  template <class Panel>
  void pack(float* panel, int64_t panels, int64_t lane, int64_t lanes, int64_t k, int64_t depth) const {
    constexpr int Lanes = Panel::kLanes;
    for (int64_t p = 0; p < panels; ++p) {
      float* to = panel + p * Lanes * Panel::units(depth);
      for (int64_t first = 0; first < Lanes; first += kWidth) {
        pack_lanes<Panel>(to + first * (Panel::kSquares ? kWidth : 1), smaller(kWidth, Lanes - first),
                          lane + p * Lanes + first, lanes - p * Lanes - first, k, depth);
      }
    }
  }

 private:
  // `width` <= kWidth lanes of a panel, of which `lanes` exist, kWidth units at a time.
  template <class Panel>
  BURGEON_INLINE void pack_lanes(float* panel, int64_t width, int64_t lane, int64_t lanes, int64_t k,
                                 int64_t depth) const {
    using Operand = typename Panel::Operand;
    constexpr int Lanes = Panel::kLanes;
    const int64_t units = Panel::units(depth);
    const int64_t there = smaller(width, lanes);
    const T* row[kWidth];
    for (int64_t i = 0; i < there; ++i) row[i] = data + (rows ? rows[lane + i] : lane + i) * stride + k;
    for (int64_t u = 0; u < units; u += kWidth * Panel::kParts) {
      const int64_t d = Panel::depth(u);
      const int64_t left = depth - d;
      Vec block[Panel::kParts][kWidth] = {};
#pragma GCC unroll 16
      for (int64_t i = 0; i < kWidth; ++i) {
        if (i >= there) break;
        const auto unit = Operand::units(row[i] + d, left);
#pragma GCC unroll 3
        for (int part = 0; part < Panel::kParts; ++part) block[part][i] = part_of(unit, part);
      }
#pragma GCC unroll 3
      for (int part = 0; part < Panel::kParts; ++part) {
        const int64_t first = u + part * kWidth;
        float* out = panel + first * Lanes;
        if (Panel::kSquares) {
#pragma GCC unroll 16
          for (int64_t i = 0; i < kWidth; ++i) store(out + i * kWidth, block[part][i]);
          continue;
        }
        transpose(block[part]);
#pragma GCC unroll 16
        for (int64_t i = 0; i < kWidth; ++i) {
          if (first + i < units) store_lanes<Lanes>(out + i * Lanes, block[part][i], width, first + i == units - 1);
        }
      }
    }
  }
};

// Element (lane, k) at data[k * stride + lane]; position k is row rows[k] where a list is given.
template <class T>
struct LaneColumns {
  const T* data;
  int64_t stride;
  const int32_t* rows;

  template <int Lanes>
  BURGEON_INLINE void fetch(int64_t lane, int64_t lanes, int64_t k, int64_t depth, int64_t part, int64_t parts) const {
    for (int64_t d = depth * part / parts; d < depth * (part + 1) / parts; ++d) {
      fetch_run(data + (rows ? rows[k + d] : k + d) * stride + lane, lanes + overread<Lanes>);
    }
  }

  template <class Panel>
  void pack(float* panel, int64_t panels, int64_t lane, int64_t lanes, int64_t k, int64_t depth) const {
    if constexpr (Panel::kSquares) {
      pack_squares<Panel>(panel, panels, lane, lanes, k, depth);
    } else {
      pack_rows<Panel>(panel, panels, lane, lanes, k, depth);
    }
  }

 private:
  static constexpr int64_t kPrefetch = 16;

  // Row by row through all the panels, so that every row is read as one run of memory.
  template <class Panel>
  BURGEON_INLINE void pack_rows(float* panel, int64_t panels, int64_t lane, int64_t lanes, int64_t k,
                                int64_t depth) const {
    using Operand = typename Panel::Operand;
    constexpr int Lanes = Panel::kLanes;
    const int64_t padded = Panel::depth(Panel::units(depth));
    const int64_t panel_size = Panel::units(depth) * Lanes;
    const auto row = [&](int64_t d) { return data + (rows ? rows[k + d] : k + d) * stride + lane; };
    const int64_t wanted = smaller(lanes, panels * Lanes);
    for (int64_t d = 0, u = 0; d < padded; d += Operand::kDepth, ++u) {
      // Past the other parts of the kWidth units before.
      float* to = panel + (u + u / kWidth * kWidth * (Panel::kParts - 1)) * Lanes;
      const T* at[Operand::kDepth];
      for (int64_t i = 0; i < Operand::kDepth; ++i) {
        at[i] = row(smaller(d + i, depth - 1));
        // The hardware does not foresee the next row; about this many fit into one miss of the cache.
        prefetch_row(row(smaller(d + kPrefetch + i, depth - 1)), wanted + overread<Lanes>);
      }
      for (int64_t p = 0; p < panels; ++p) {
        const int64_t left = lanes - p * Lanes;
#pragma GCC unroll 4
        for (int64_t first = 0; first < Lanes; first += kWidth) {
          const auto unit = Operand::unit(
              [&](int64_t i) { return Operand::lanes(at[i] + p * Lanes + first, d + i < depth ? left - first : 0); });
#pragma GCC unroll 3
          for (int part = 0; part < Panel::kParts; ++part) {
            store_lanes<Lanes>(to + p * panel_size + part * kWidth * Lanes + first, part_of(unit, part),
                               smaller(kWidth, Lanes - first), d + Operand::kDepth >= padded);
          }
        }
      }
    }
  }

  template <class Panel>
  BURGEON_INLINE void pack_squares(float* panel, int64_t panels, int64_t lane, int64_t lanes, int64_t k,
                                   int64_t depth) const {
    using Operand = typename Panel::Operand;
    constexpr int kRows = kWidth * Operand::kDepth;
    const int64_t units = Panel::units(depth);
    for (int64_t u = 0; u < units; u += kWidth * Panel::kParts) {
      const int64_t d = Panel::depth(u);
      const T* row[kRows];
      for (int64_t i = 0; i < kRows; ++i) {
        const int64_t at = k + smaller(d + i, depth - 1);
        row[i] = data + (rows ? rows[at] : at) * stride + lane;
      }
      for (int64_t first = 0; first < panels * Panel::kLanes; first += kWidth) {
        Vec block[Panel::kParts][kWidth];
#pragma GCC unroll 16
        for (int64_t i = 0; i < kWidth; ++i) {
          const auto unit = Operand::unit([&](int64_t half) {
            const int64_t r = i * Operand::kDepth + half;
            return Operand::lanes(row[r] + first, d + r < depth ? lanes - first : 0);
          });
#pragma GCC unroll 3
          for (int part = 0; part < Panel::kParts; ++part) block[part][i] = part_of(unit, part);
        }
        const int64_t p = first / Panel::kLanes, in_panel = first % Panel::kLanes;
        float* out = panel + (p * units + u) * Panel::kLanes + in_panel * kWidth;
#pragma GCC unroll 3
        for (int part = 0; part < Panel::kParts; ++part, out += kWidth * Panel::kLanes) {
          transpose(block[part]);
#pragma GCC unroll 16
          for (int64_t i = 0; i < kWidth; ++i) store(out + i * kWidth, block[part][i]);
        }
      }
    }
  }
};

}  // namespace burgeon::BURGEON_ISA
