// Blocked attention with an online softmax, forward. One task owns one query head of one sequence, so every result has
// one owner and the order of summation is fixed. Sources: Dao et al., FlashAttention (2022); Milakov and Gimelshein,
// Online normalizer calculation for softmax (2018).
#include "ops/attention/attention_blocks.h"

namespace burgeon::BURGEON_ISA {

namespace {

// What a query has seen so far: the largest score, and the sum of exponentials less that.
struct RowState {
  float max;
  float sum;
};

// Online softmax of a row of scores: turns them into exponentials less the largest score so far, and corrects what
// earlier column blocks added to the row's output (unless this is the first). Columns that the query may not see become
// 0.
template <class T>
BURGEON_INLINE RowState online_softmax_row(float* p, int64_t visible, int64_t columns, float scale, RowState before,
                                           bool is_first, float* out, int64_t head_pad) {
  Vec block_max = splat(-__builtin_inff());
  for (int64_t c = 0; c < columns; c += kWidth) {
    Vec score = load(p + c);
    if (c + kWidth > visible) store(p + c, score = keep_first(score, visible - c, -__builtin_inff()));
    block_max = largest(block_max, score);
  }
  const float candidate = scale * largest_lane(block_max);
  const float max = candidate > before.max ? candidate : before.max;
  Vec sum = {};
  for (int64_t c = 0; c < columns; c += kWidth) {
    const Vec e = exponential_for<T>(load(p + c) * scale - max);
    store(p + c, e);
    sum += e;
  }
  if (is_first) return {max, sum_lanes(sum)};
  const float correction = exponential(splat(before.max - max))[0];
  if (max != before.max) {
    for (int64_t d = 0; d < head_pad; d += kWidth) store(out + d, load(out + d) * correction);
  }
  return {max, before.sum * correction + sum_lanes(sum)};
}

// Divides the output of `queries` rows by their sums and writes it, and the log-sum-exp of their scores.
template <class T>
BURGEON_INLINE void write_results(T* to, int64_t to_row, float* lse, const float* out, int64_t head_pad,
                                  const float* maxima, float* sums, int64_t queries, int64_t head_size) {
  for (int64_t r = 0; r < queries; r += kWidth) {
    const Vec sum = load(sums + r);
    store_first(lse + r, load(maxima + r) + logarithm(sum), queries - r);
    store(sums + r, 1.0f / sum);
  }
  for (int64_t r = 0; r < queries; ++r) {
    for (int64_t d = 0; d < head_size; d += kWidth) {
      store_first(to + r * to_row + d, load(out + r * head_pad + d) * sums[r], head_size - d);
    }
  }
}

// Memory of one task.
template <class T>
struct ForwardMemory {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  static constexpr int64_t kBr = Blocks<Operand>::kBr, kBc = Blocks<Operand>::kBc;

  ForwardMemory(Scratch scratch, int64_t sequence, int64_t head_size)
      : keys(scratch.take(Right::floats(sequence, head_size))),
        values(scratch.take(Right::floats(head_size, sequence))),
        queries(scratch.take(Left::floats(kBr, head_size))),
        probabilities(scratch.take(Left::floats(kBr, kBc))),
        scores(scratch.take(kBr * kBc)),
        out(scratch.take(kBr * padded_head(head_size))) {}

  static int64_t floats(int64_t sequence, int64_t head_size) {
    return Right::floats(sequence, head_size) + Right::floats(head_size, sequence) + Left::floats(kBr, head_size) +
           Left::floats(kBr, kBc) + kBr * (kBc + padded_head(head_size)) + Scratch::kPadding;
  }

  // Packed operands: of all the head, and of a row block.
  float *keys, *values, *queries, *probabilities;
  float* scores;  // (Br, Bc); probabilities after the softmax, not yet divided by their sums
  float* out;     // (Br, head_pad), likewise
};

// One query head of one sequence.
template <class T>
class ForwardHead {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  static constexpr int64_t kBr = Blocks<Operand>::kBr, kBc = Blocks<Operand>::kBc;

 public:
  ForwardHead(const HeadOffsets& at, float* scratch, T* out, float* lse, const T* qkv, int64_t index, int64_t next)
      : at_(at),
        head_pad_(padded_head(at.head_size)),
        scale_(1.0f / __builtin_sqrtf(static_cast<float>(at.head_size))),
        memory_(Scratch{scratch}, at.sequence, at.head_size),
        queries_(qkv + at.query(index)),
        out_(out + at.out(index)),
        lse_(lse + index * at.sequence),
        keys_(Right::load_transposed(memory_.keys, qkv + at.key(index), at.row(), at.sequence, at.head_size)),
        values_(Right::load(memory_.values, qkv + at.value(index), at.row(), at.head_size, at.sequence)),
        next_(at, qkv, next),
        fetches_next_(3 * at.sequence * at.head_size * static_cast<int64_t>(sizeof(T)) <= kFetchedBytes) {}

  void compute() const {
    for (int64_t i0 = 0; i0 < at_.sequence; i0 += kBr) compute_row_block(i0);
  }

 private:
  // The running maxima and sums of a row block.
  struct RowStates {
    float max[kBr];
    float sum[kBr];
  };

  BURGEON_INLINE void compute_row_block(int64_t i0) const {
    const int64_t queries = smaller(kBr, at_.sequence - i0);
    // Rows beyond the last query are zero; what is computed of them stays in the blocks.
    const int64_t rows = Blocks<Operand>::whole_panels(queries);
    RowStates states;
    for (int64_t r = 0; r < kBr; ++r) {
      states.max[r] = -__builtin_inff();
      states.sum[r] = 1;
    }
    const Left q = Left::load_rows(memory_.queries, queries_ + i0 * at_.row(), at_.row(), queries, at_.head_size);
    for (int64_t j0 = 0; j0 < i0 + queries; j0 += kBc) {
      const CausalBlock<Operand> causal{i0, j0, queries};
      // S = Q K^T.
      multiply_block(causal, q, keys_.from_column(j0), at_.head_size, memory_.scores);
      // P = exp(S - max), and O corrected where the maximum has grown.
      online_softmax_block(causal, states);
      // O += P V.
      const auto summed = [&](int64_t r) { return Span{head_pad_, 0, causal.seen_by_tile(r)}; };
      const Left p = Left::tile_rows(memory_.probabilities, memory_.scores, kBc, rows, causal.seen_by_tile(rows - 1));
      multiply_small<Operand>(rows, summed, p, values_.from_depth(j0), memory_.out, head_pad_, j0 > 0);
    }
    // O / sum, and max + log(sum).
    write_results(out_ + i0 * at_.out_row(), at_.out_row(), lse_ + i0, memory_.out, head_pad_, states.max, states.sum,
                  queries, at_.head_size);
  }

  BURGEON_INLINE void online_softmax_block(const CausalBlock<Operand>& causal, RowStates& states) const {
    const bool is_first = causal.j0 == 0;
    for (int64_t r = 0; r < causal.queries; ++r) {
      float* p = memory_.scores + r * kBc;
      if (is_first) {
        if (fetches_next_) next_.fetch(causal.i0 + r);
        prefetch_row<true>(out_ + (causal.i0 + r) * at_.out_row(), at_.head_size);
      }
      if (causal.visible(r) == 0) {
        for (int64_t c = 0; c < causal.columns(r); c += kWidth) store(p + c, Vec{});
        continue;
      }
      const RowState state =
          online_softmax_row<T>(p, causal.visible(r), causal.columns(r), scale_, {states.max[r], states.sum[r]},
                                is_first, memory_.out + r * head_pad_, head_pad_);
      states.max[r] = state.max;
      states.sum[r] = state.sum;
    }
  }

  const HeadOffsets& at_;
  const int64_t head_pad_;
  const float scale_;
  const ForwardMemory<T> memory_;
  const T* const queries_;
  T* const out_;
  float* const lse_;
  const Right keys_, values_;
  const NextHead<T> next_;
  const bool fetches_next_;
};

}  // namespace

template <class T>
size_t attention_forward_scratch_bytes(int64_t sequence, int64_t head_size) {
  return static_cast<size_t>(ForwardMemory<T>::floats(sequence, head_size)) * sizeof(float);
}

template <class T>
void attention_forward(OpContext& ctx, T* out, Master<T>* lse, const T* qkv, int64_t batch, int64_t sequence,
                       int64_t heads, int64_t kv_heads, int64_t head_size) {
  const HeadOffsets at{sequence, heads, kv_heads, head_size};
  const int64_t tasks = batch * heads;
  parallel_for(ctx, tasks, [&](int64_t task, int thread) {
    const typename MicroKernel<OperandOf<T>>::Scope scope;
    ForwardHead<T>(at, scratch_of(ctx, thread), out, lse, qkv, task, smaller(task + 1, tasks - 1)).compute();
  });
  ctx.multiply_adds += batch * heads * head_size * (sequence * (sequence + 1));
}

template size_t attention_forward_scratch_bytes<float>(int64_t, int64_t);
template size_t attention_forward_scratch_bytes<bfloat16>(int64_t, int64_t);
template AttentionForward<float> attention_forward<float>;
template AttentionForward<bfloat16> attention_forward<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
