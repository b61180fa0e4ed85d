// Blocked attention, backward: the probabilities are computed again from the scores and their log-sum-exps. One task
// owns one key and value head of one sequence with its query heads, so every gradient has one owner and the order of
// summation is fixed. Source: Dao et al., FlashAttention (2022), appendix B.
#include "ops/attention/attention_blocks.h"

namespace burgeon::BURGEON_ISA {

namespace {

// D of every row: the product of the output and its gradient, which the softmax's gradient subtracts.
template <class T>
BURGEON_INLINE void dot_rows(float* dots, const T* dout, const T* out, int64_t row, int64_t sequence,
                             int64_t head_size) {
  for (int64_t i = 0; i < sequence; ++i) {
    if (i + kAhead < sequence) prefetch_row(out + (i + kAhead) * row, head_size);
    Vec sum = {};
    for (int64_t d = 0; d < head_size; d += kWidth) {
      sum += load_first(dout + i * row + d, head_size - d) * load_first(out + i * row + d, head_size - d);
    }
    dots[i] = sum_lanes(sum);
  }
}

// Scores of a row become probabilities, and the gradients of probabilities those of scores; 0 beyond what the query
// sees, up to `end`.
template <class T>
BURGEON_INLINE void softmax_gradient_row(float* p, float* ds, int64_t visible, int64_t end, float scale, float lse,
                                         float dot) {
  int64_t c = 0;
  for (; c < visible; c += kWidth) {
    Vec probability = exponential_for<T>(load(p + c) * scale - lse);
    Vec dscore = probability * (load(ds + c) - dot) * scale;
    if (c + kWidth > visible) {
      probability = keep_first(probability, visible - c, 0);
      dscore = keep_first(dscore, visible - c, 0);
    }
    store(p + c, probability);
    store(ds + c, dscore);
  }
  for (; c < end; c += kWidth) {
    store(p + c, Vec{});
    store(ds + c, Vec{});
  }
}

template <class T>
BURGEON_INLINE void write_rows(T* to, int64_t row, const float* from, int64_t head_pad, int64_t rows,
                               int64_t head_size) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t d = 0; d < head_size; d += kWidth) {
      store_first(to + t * row + d, load(from + t * head_pad + d), head_size - d);
    }
  }
}

// Memory of one task.
template <class T>
struct BackwardMemory {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  using Both = SmallBoth<Operand>;
  static constexpr int64_t kBr = Blocks<Operand>::kBr, kBc = Blocks<Operand>::kBc;

  BackwardMemory(Scratch scratch, int64_t sequence, int64_t head_size)
      : keys(scratch.take(Right::floats(sequence, head_size))),
        values(scratch.take(Right::floats(sequence, head_size))),
        key_rows(scratch.take(Right::floats(head_size, sequence))),
        queries(scratch.take(Both::left_floats(sequence, head_size))),
        query_rows(scratch.take(Both::right_floats(sequence, head_size))),
        douts(scratch.take(Both::left_floats(sequence, head_size))),
        dout_rows(scratch.take(Both::right_floats(sequence, head_size))),
        p(scratch.take(Left::floats(kBc, kBr))),
        ds(scratch.take(Left::floats(kBc, kBr))),
        ds_rows(scratch.take(Left::floats(kBr, kBc))),
        dqueries(scratch.take(Blocks<Operand>::whole_panels(sequence) * padded_head(head_size))),
        dkeys(scratch.take(whole_columns(sequence) * padded_head(head_size))),
        dvalues(scratch.take(whole_columns(sequence) * padded_head(head_size))),
        p_block(scratch.take(kBr * kBc)),
        ds_block(scratch.take(kBr * kBc)),
        dots(scratch.take(sequence)) {}

  static int64_t floats(int64_t sequence, int64_t head_size) {
    const int64_t packed = 2 * Right::floats(sequence, head_size) + Right::floats(head_size, sequence) +
                           2 * (Both::left_floats(sequence, head_size) + Both::right_floats(sequence, head_size)) +
                           2 * Left::floats(kBc, kBr) + Left::floats(kBr, kBc);
    const int64_t gradient_rows = Blocks<Operand>::whole_panels(sequence) + 2 * whole_columns(sequence);
    return packed + gradient_rows * padded_head(head_size) + 2 * kBr * kBc + sequence + Scratch::kPadding;
  }

  // Packed operands.
  float *keys, *values, *key_rows, *queries, *query_rows, *douts, *dout_rows, *p, *ds, *ds_rows;
  // Sums, (rows, head_pad).
  float *dqueries, *dkeys, *dvalues;
  // Probabilities and gradients of scores, (Br, Bc).
  float *p_block, *ds_block;
  float* dots;

 private:
  // Rows of the gradients of keys and values, in whole column blocks.
  static int64_t whole_columns(int64_t sequence) { return ceil_div(sequence, kBc) * kBc; }
};

template <class T>
struct BackwardOperands {
  T* dqkv;
  const T* dout;
  const T* qkv;
  const T* out;
  const float* lse;
};

// One key and value head of one sequence, with the query heads that share it.
template <class T>
class BackwardGroup {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  using Both = SmallBoth<Operand>;
  static constexpr int64_t kBr = Blocks<Operand>::kBr, kBc = Blocks<Operand>::kBc;

 public:
  // Query heads from `first` on, of `head_count` in all sequences.
  BackwardGroup(const HeadOffsets& at, float* scratch, const BackwardOperands<T>& of, int64_t first, int64_t head_count)
      : at_(at),
        of_(of),
        first_(first),
        head_count_(head_count),
        group_(at.heads / at.kv_heads),
        row_(at.row()),
        out_row_(at.out_row()),
        head_size_(at.head_size),
        head_pad_(padded_head(at.head_size)),
        scale_(1.0f / __builtin_sqrtf(static_cast<float>(at.head_size))),
        fetches_next_(5 * at.sequence * at.head_size * static_cast<int64_t>(sizeof(T)) <= kFetchedBytes),
        memory_(Scratch{scratch}, at.sequence, at.head_size),
        dk_(of.dqkv + at.key(first)),
        dv_(of.dqkv + at.value(first)),
        keys_(Right::load_transposed(memory_.keys, of.qkv + at.key(first), row_, at.sequence, head_size_)),
        values_(Right::load_transposed(memory_.values, of.qkv + at.value(first), row_, at.sequence, head_size_)),
        key_rows_(Right::load(memory_.key_rows, of.qkv + at.key(first), row_, head_size_, at.sequence)) {}

  void compute() const {
    for (int64_t index = first_; index < first_ + group_; ++index) {
      const T* dout = of_.dout + at_.out(index);
      const int64_t following = smaller(index + 1, head_count_ - 1);
      const QueryHead head{
          Both::load(memory_.queries, memory_.query_rows, of_.qkv + at_.query(index), row_, at_.sequence, head_size_),
          Both::load(memory_.douts, memory_.dout_rows, dout, out_row_, at_.sequence, head_size_),
          of_.dqkv + at_.query(index),
          of_.lse + index * at_.sequence,
          index == first_,
          index + 1 == first_ + group_,
          NextHead<T>(at_, of_.qkv, following),
          of_.dout + at_.out(following),
          of_.out + at_.out(following)};
      dot_rows(memory_.dots, dout, of_.out + at_.out(index), out_row_, at_.sequence, head_size_);
      for (int64_t j0 = 0; j0 < at_.sequence; j0 += kBc) compute_column_block(head, j0);
    }
  }

 private:
  struct QueryHead {
    Both q, dout;
    T* dq;
    const float* lse;
    bool is_first, is_last;  // of the group
    NextHead<T> next;
    const T *next_dout, *next_out;
  };

  // Gradients of a column block of keys and values, from all row blocks of queries that see any of it.
  BURGEON_INLINE void compute_column_block(const QueryHead& head, int64_t j0) const {
    const int64_t keys = smaller(kBc, at_.sequence - j0);
    // Sums over several heads wait for the last; those of one are written while they are in cache.
    float* dk = memory_.dkeys + (group_ > 1 ? j0 * head_pad_ : 0);
    float* dv = memory_.dvalues + (group_ > 1 ? j0 * head_pad_ : 0);
    bool adds = !head.is_first;
    for (int64_t i0 = j0 / kBr * kBr; i0 < at_.sequence; i0 += kBr) {
      const CausalBlock<Operand> causal{i0, j0, smaller(kBr, at_.sequence - i0)};
      compute_score_gradients(head, causal);
      add_gradients(head, causal, keys, dk, dv, adds);
      adds = true;
    }
    // The queries at these places see no later keys.
    write_rows(head.dq + j0 * row_, row_, memory_.dqueries + j0 * head_pad_, head_pad_, keys, head_size_);
    if (!head.is_last) return;
    write_rows(dk_ + j0 * row_, row_, dk, head_pad_, keys, head_size_);
    write_rows(dv_ + j0 * row_, row_, dv, head_pad_, keys, head_size_);
  }

  // P and dS of a block.
  BURGEON_INLINE void compute_score_gradients(const QueryHead& head, const CausalBlock<Operand>& causal) const {
    const int64_t i0 = causal.i0, j0 = causal.j0, rows = Blocks<Operand>::whole_panels(causal.queries);
    // S = Q K^T again, and dP = dO V^T.
    multiply_block(causal, head.q.left.from(i0), keys_.from_column(j0), head_size_, memory_.p_block);
    multiply_block(causal, head.dout.left.from(i0), values_.from_column(j0), head_size_, memory_.ds_block);
    // P = exp(S - lse), and dS = P (dP - D) scale.
    for (int64_t r = 0; r < causal.queries; ++r) {
      const int64_t i = i0 + r;
      fetch_ahead(head, i, j0);
      // As far as a micro-tile of keys that this row sees any of may reach.
      const int64_t visible = causal.visible(r);
      const int64_t end = smaller(kBc, visible + CausalBlock<Operand>::kMr);
      softmax_gradient_row<T>(memory_.p_block + r * kBc, memory_.ds_block + r * kBc, visible, end, scale_, head.lse[i],
                              memory_.dots[i]);
    }
    for (int64_t i = causal.queries * kBc; i < rows * kBc; i += kWidth) {
      store(memory_.p_block + i, Vec{});
      store(memory_.ds_block + i, Vec{});
    }
  }

  BURGEON_INLINE void fetch_ahead(const QueryHead& head, int64_t i, int64_t j0) const {
    if (j0 == 0 && fetches_next_) {
      head.next.fetch(i);
      fetch_run(head.next_dout + i * out_row_, head_size_);
      fetch_run(head.next_out + i * out_row_, head_size_);
    }
    // What will be written after the last row block that sees these keys.
    if (i < j0 + kBc) {
      prefetch_row<true>(head.dq + i * row_, head_size_);
      prefetch_row<true>(dk_ + i * row_, head_size_);
      prefetch_row<true>(dv_ + i * row_, head_size_);
    }
  }

  // dV += P^T dO, dK += dS^T Q, dQ += dS K.
  BURGEON_INLINE void add_gradients(const QueryHead& head, const CausalBlock<Operand>& causal, int64_t keys, float* dk,
                                    float* dv, bool adds) const {
    const int64_t i0 = causal.i0, j0 = causal.j0, queries = causal.queries;
    const int64_t rows = Blocks<Operand>::whole_panels(queries), columns = Blocks<Operand>::whole_panels(keys);
    const auto seeing = [&](int64_t j) { return Span{head_pad_, causal.first_query(j), queries}; };
    const auto seen = [&](int64_t r) { return Span{head_pad_, 0, causal.seen_by_tile(r)}; };
    const Left p = Left::tile_columns(memory_.p, memory_.p_block, kBc, columns, queries);
    const Left ds = Left::tile_columns(memory_.ds, memory_.ds_block, kBc, columns, queries);
    const Left ds_rows = Left::tile_rows(memory_.ds_rows, memory_.ds_block, kBc, rows, causal.seen_by_tile(rows - 1));
    multiply_small<Operand>(columns, seeing, p, head.dout.right.from_depth(i0), dv, head_pad_, adds);
    multiply_small<Operand>(columns, seeing, ds, head.q.right.from_depth(i0), dk, head_pad_, adds);
    multiply_small<Operand>(rows, seen, ds_rows, key_rows_.from_depth(j0), memory_.dqueries + i0 * head_pad_, head_pad_,
                            j0 > 0);
  }

  const HeadOffsets& at_;
  const BackwardOperands<T>& of_;
  const int64_t first_, head_count_, group_, row_, out_row_, head_size_, head_pad_;
  const float scale_;
  const bool fetches_next_;
  const BackwardMemory<T> memory_;
  T *const dk_, *const dv_;
  const Right keys_, values_;  // transposed
  const Right key_rows_;
};

}  // namespace

template <class T>
size_t attention_backward_scratch_bytes(int64_t sequence, int64_t head_size) {
  return static_cast<size_t>(BackwardMemory<T>::floats(sequence, head_size)) * sizeof(float);
}

template <class T>
void attention_backward(OpContext& ctx, T* dqkv, const T* dout, const T* qkv, const T* out, const Master<T>* lse,
                        int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  const HeadOffsets at{sequence, heads, kv_heads, head_size};
  const BackwardOperands<T> operands{dqkv, dout, qkv, out, lse};
  parallel_for(ctx, batch * kv_heads, [&](int64_t task, int thread) {
    const typename MicroKernel<OperandOf<T>>::Scope scope;
    BackwardGroup<T>(at, scratch_of(ctx, thread), operands, task * (heads / kv_heads), batch * heads).compute();
  });
  ctx.multiply_adds += 2 * batch * heads * head_size * (sequence * (sequence + 1));
}

template size_t attention_backward_scratch_bytes<float>(int64_t, int64_t);
template size_t attention_backward_scratch_bytes<bfloat16>(int64_t, int64_t);
template AttentionBackward<float> attention_backward<float>;
template AttentionBackward<bfloat16> attention_backward<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
