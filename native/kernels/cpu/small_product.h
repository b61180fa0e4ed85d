// Products of matrices that fit into the nearest caches, as the tiles of attention do: C (m, n) = A (m, depth) B
// (depth, n), both packed where their format wants it, each micro-tile with its own part of the depth.
#pragma once

#include "kernels/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

// Hands out consecutive pieces of a thread's scratch.
struct Scratch {
  static constexpr int64_t kPadding = 16 * 16;  // floats that up to 16 pieces take more, together

  float* next;
  float* take(int64_t count) {
    float* piece = next;
    next += ceil_div(count, 16) * 16;
    return piece;
  }
};

// Packs all of a matrix and returns the floats of a panel.
template <class Panel, class Matrix>
int64_t pack_panels(float* to, const Matrix& from, int64_t lanes, int64_t depth) {
  from.template pack<Panel>(to, ceil_div(lanes, Panel::kLanes), 0, lanes, 0, depth);
  return Panel::floats(1, depth);
}

// A of a small product. Rows are padded with zeros to whole panels.
template <class Operand>
struct SmallLeft {
  using Kernel = MicroKernel<Operand>;
  using Panel = typename Kernel::PanelA;
  static constexpr bool kLiesInRows = false;
  const float* panels;
  int64_t panel_size;

  static int64_t floats(int64_t rows, int64_t depth) { return Panel::floats(rows, depth); }
  // (rows, depth) from memory.
  template <class T>
  static SmallLeft load_rows(float* to, const T* from, int64_t stride, int64_t rows, int64_t depth) {
    return pack(to, LaneRows<T>{from, stride, nullptr}, rows, depth);
  }
  // (rows, depth) of a tile in cache whose rows are whole panels; and its transpose (columns, depth), of whose columns
  // whole panels exist.
  static SmallLeft tile_rows(float* to, const float* tile, int64_t stride, int64_t rows, int64_t depth) {
    return pack(to, LaneRows<float>{tile, stride, nullptr}, rows, depth);
  }
  static SmallLeft tile_columns(float* to, const float* tile, int64_t stride, int64_t columns, int64_t depth) {
    return pack(to, LaneColumns<float>{tile, stride, nullptr}, columns, depth);
  }
  SmallLeft from(int64_t row) const { return {panels + row / Panel::kLanes * panel_size, panel_size}; }

  // C (+)= the panel of row i, over [begin, end) of the depth, times a panel of B.
  BURGEON_INLINE void multiply(int64_t i, int64_t begin, int64_t end, const float* b, int64_t b_row, float* c,
                               int64_t c_row, bool adds) const {
    const int64_t first = Panel::whole_units(begin);
    Kernel::multiply_into(Panel::units(end) - first, panels + i / Panel::kLanes * panel_size + first * Panel::kLanes,
                          b + first * b_row, c, c_row, adds);
  }

 private:
  template <class Matrix>
  static SmallLeft pack(float* to, const Matrix& from, int64_t rows, int64_t depth) {
    return {to, pack_panels<Panel>(to, from, rows, depth)};
  }
};

// Micro-tiles of floats read A as it lies.
template <>
struct SmallLeft<Float32> {
  static constexpr bool kLiesInRows = true;
  const float* data;
  int64_t row;
  int64_t step;

  static int64_t floats(int64_t rows, int64_t depth) {
    return ceil_div(rows, kVectorMr) * kVectorMr * ceil_div(depth, kVectorNr) * kVectorNr;
  }
  static SmallLeft load_rows(float* to, const float* from, int64_t stride, int64_t rows, int64_t depth) {
    constexpr int64_t kAhead = 16;  // rows are far apart in memory, which the hardware does not foresee
    const int64_t to_stride = ceil_div(depth, kVectorNr) * kVectorNr;
    for (int64_t r = 0; r < ceil_div(rows, kVectorMr) * kVectorMr; ++r) {
      if (r + kAhead < rows) prefetch_row(from + (r + kAhead) * stride, depth);
      for (int64_t d = 0; d < to_stride; d += kWidth) {
        store(to + r * to_stride + d, r < rows ? load_first(from + r * stride + d, depth - d) : Vec{});
      }
    }
    return {to, to_stride, 1};
  }
  static SmallLeft tile_rows(float*, const float* tile, int64_t stride, int64_t, int64_t) { return {tile, stride, 1}; }
  static SmallLeft tile_columns(float*, const float* tile, int64_t stride, int64_t, int64_t) {
    return {tile, 1, stride};
  }
  SmallLeft from(int64_t first) const { return {data + first * row, row, step}; }

  BURGEON_INLINE void multiply(int64_t i, int64_t begin, int64_t end, const float* b, int64_t b_row, float* c,
                               int64_t c_row, bool adds) const {
    store_micro_tile(
        multiply_micro_tile<kVectorMr>(end - begin, data + i * row + begin * step, row, step, b + begin * b_row, b_row),
        c, c_row, adds);
  }
};

// B of a small product: panels of columns, `row` floats from unit to unit.
template <class Operand>
struct SmallRight {
  using Panel = typename MicroKernel<Operand>::PanelB;
  const float* panels;
  int64_t panel_size;
  int64_t row = Panel::kLanes;

  static int64_t floats(int64_t columns, int64_t depth) { return Panel::floats(columns, depth); }
  // The transpose of (columns, depth) from memory.
  template <class T>
  static SmallRight load_transposed(float* to, const T* from, int64_t stride, int64_t columns, int64_t depth) {
    return pack(to, LaneRows<T>{from, stride, nullptr}, columns, depth);
  }
  // (depth, columns) from memory.
  template <class T>
  static SmallRight load(float* to, const T* from, int64_t stride, int64_t columns, int64_t depth) {
    return pack(to, LaneColumns<T>{from, stride, nullptr}, columns, depth);
  }
  // From a column or a position of the depth on, the first of a panel or unit.
  SmallRight from_column(int64_t column) const { return {panel(column), panel_size, row}; }
  SmallRight from_depth(int64_t position) const {
    return {panels + Panel::whole_units(position) * row, panel_size, row};
  }
  const float* panel(int64_t column) const { return panels + column / Panel::kLanes * panel_size; }

 private:
  template <class Matrix>
  static SmallRight pack(float* to, const Matrix& from, int64_t columns, int64_t depth) {
    return {to, pack_panels<Panel>(to, from, columns, depth)};
  }
};

// (rows, depth) from memory as A, and as B with its rows for depth. Where A lies in rows they are the same.
template <class Operand>
struct SmallBoth {
  SmallLeft<Operand> left;
  SmallRight<Operand> right;

  static int64_t left_floats(int64_t rows, int64_t depth) { return SmallLeft<Operand>::floats(rows, depth); }
  static int64_t right_floats(int64_t rows, int64_t depth) {
    return SmallLeft<Operand>::kLiesInRows ? 0 : SmallRight<Operand>::floats(depth, rows);
  }
  template <class T>
  static SmallBoth load(float* to_left, float* to_right, const T* from, int64_t stride, int64_t rows, int64_t depth) {
    const auto left = SmallLeft<Operand>::load_rows(to_left, from, stride, rows, depth);
    if constexpr (SmallLeft<Operand>::kLiesInRows) {
      return {left, {left.data, kVectorNr, left.row}};
    } else {
      return {left, SmallRight<Operand>::load(to_right, from, stride, depth, rows)};
    }
  }
};

// The part of a small product that rows i.. of a micro-tile need: columns [0, cols) and depth [begin, end).
struct Span {
  int64_t cols;
  int64_t begin;
  int64_t end;
};

// C[i, j] (+)= sum_k A[i, k] B[k, j] over the span of each micro-tile, whose row i is at c + i * c_row; C holds
// whole tiles. Where a span's begin or end is not that of a unit, A is zero from there to the unit's. span(i) is asked
// once per micro-tile.
template <class Operand, class SpanOf>
inline void multiply_small(int64_t rows, SpanOf span, const SmallLeft<Operand>& a, const SmallRight<Operand>& b,
                           float* c, int64_t c_row, bool adds) {
  using Kernel = MicroKernel<Operand>;
  for (int64_t i = 0; i < rows; i += Kernel::kMr) {
    const Span s = span(i);
    const int64_t begin = smaller(s.begin, s.end);
    for (int64_t j = 0; j < s.cols; j += Kernel::kNr) {
      a.multiply(i, begin, s.end, b.panel(j), b.row, c + i * c_row + j, c_row, adds);
    }
  }
}

}  // namespace burgeon::BURGEON_ISA
