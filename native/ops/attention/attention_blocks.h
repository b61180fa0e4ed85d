// What forward and backward of blocked attention share on the CPU. Scores are computed in blocks of Br queries x Bc
// keys, those above the diagonal skipped: there is no T x T buffer. Names of the paper where it has any: row block,
// column block, Br, Bc. Source: Dao et al., FlashAttention (2022).
#pragma once

#include "kernels/cpu/small_product.h"
#include "ops/attention/attention.h"

namespace burgeon::BURGEON_ISA {

// Where the heads of all sequences lie; `index` counts query heads.
struct HeadOffsets {
  int64_t sequence;
  int64_t heads;
  int64_t kv_heads;
  int64_t head_size;

  int64_t row() const { return (heads + 2 * kv_heads) * head_size; }
  int64_t out_row() const { return heads * head_size; }
  int64_t query(int64_t index) const { return of_sequence(index, row()) + index % heads * head_size; }
  int64_t key(int64_t index) const {
    return of_sequence(index, row()) + (heads + index % heads / (heads / kv_heads)) * head_size;
  }
  int64_t value(int64_t index) const { return key(index) + kv_heads * head_size; }
  int64_t out(int64_t index) const { return of_sequence(index, out_row()) + index % heads * head_size; }

 private:
  int64_t of_sequence(int64_t index, int64_t stride) const { return index / heads * sequence * stride; }
};

// Rows of a head are far apart, which the hardware does not foresee. So while a row of one head is computed, that of
// the next is fetched; not if the next head has so many bytes that they would push out what is computed with. Functions
// that fetch are always inlined, for the reason that fetch_run is.
constexpr int64_t kFetchedBytes = 384 << 10;
constexpr int64_t kAhead = 16;  // rows

// Both lengths are whole units of depth, too, for the products over them.
template <class Operand>
struct Blocks {
  using Kernel = MicroKernel<Operand>;
  static constexpr int64_t kBr = Kernel::kMr == 32 ? 64 : 48;  // queries of a row block
  static constexpr int64_t kBc = 3 * Kernel::kNr;              // keys of a column block
  static_assert(kBr % Kernel::kMr == 0 && kBc % Kernel::kMr == 0 && kBr % kWidth == 0);

  static int64_t whole_panels(int64_t rows) { return ceil_div(rows, Kernel::kMr) * Kernel::kMr; }
};

BURGEON_INLINE int64_t padded_head(int64_t head_size) { return ceil_div(head_size, kVectorNr) * kVectorNr; }

// What a row block of `queries` queries from i0 on sees of the column block from j0 on. Micro-tiles above the diagonal
// are left out; in those that cross it the caller masks what is not visible.
template <class Operand>
struct CausalBlock {
  static constexpr int64_t kMr = MicroKernel<Operand>::kMr, kNr = MicroKernel<Operand>::kNr;
  static constexpr int64_t kBc = Blocks<Operand>::kBc;
  int64_t i0;
  int64_t j0;
  int64_t queries;

  // Keys that query row r may see.
  int64_t visible(int64_t r) const { return larger(0, smaller(kBc, i0 + r - j0 + 1)); }
  // Keys that any row of the micro-tile of row r may see.
  int64_t seen_by_tile(int64_t r) const { return visible(smaller(queries, (r / kMr + 1) * kMr) - 1); }
  // The same in whole micro-tiles: columns of the scores that are computed.
  int64_t columns(int64_t r) const { return ceil_div(seen_by_tile(r), kNr) * kNr; }
  // First query that sees any key of the micro-tile of key row j.
  int64_t first_query(int64_t j) const { return smaller(queries, larger(0, j0 + j / kMr * kMr - i0)); }
};

// A block of scores, Q K^T, or of dO V^T: for each row the columns that its micro-tile sees. Never inlined, so that the
// loop over the head's depth has the registers to itself.
template <class Operand>
__attribute__((noinline)) void multiply_block(const CausalBlock<Operand>& causal, const SmallLeft<Operand>& rows,
                                              const SmallRight<Operand>& columns, int64_t head_size, float* scores) {
  const auto seen = [&](int64_t r) { return Span{causal.columns(r), 0, head_size}; };
  multiply_small<Operand>(Blocks<Operand>::whole_panels(causal.queries), seen, rows, columns, scores,
                          Blocks<Operand>::kBc, false);
}

// Rows of the head that comes next, to be fetched while those of this one are computed.
template <class T>
struct NextHead {
  const T* q;
  const T* k;
  const T* v;
  int64_t row;
  int64_t head_size;

  NextHead(const HeadOffsets& at, const T* qkv, int64_t index)
      : q(qkv + at.query(index)),
        k(qkv + at.key(index)),
        v(qkv + at.value(index)),
        row(at.row()),
        head_size(at.head_size) {}

  BURGEON_INLINE void fetch(int64_t i) const {
    fetch_run(q + i * row, head_size);
    fetch_run(k + i * row, head_size);
    fetch_run(v + i * row, head_size);
  }
};

}  // namespace burgeon::BURGEON_ISA
