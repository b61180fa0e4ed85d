// Blocked attention with an online softmax: no T x T buffer, tiles above the diagonal skipped. One task owns one head
// of one sequence, in backward one key and value head with its query heads, so every gradient has one owner and the
// order of summation is fixed. Source: Dao et al., FlashAttention (2022); Milakov and Gimelshein, Online normalizer
// calculation for softmax (2018).
#include "kernels/cpu/small_product.h"
#include "ops/attention/attention.h"

namespace burgeon::BURGEON_ISA {

namespace {

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

// Scores are computed in tiles of kQueries x kKeys; both are whole units of depth, too, for the products over them.
template <class Operand>
struct Blocks {
  using Product = PanelProduct<Operand>;
  static constexpr int64_t kQueries = Product::kRows == 32 ? 64 : 48;
  static constexpr int64_t kKeys = 3 * Product::kCols;
  static_assert(kQueries % Product::kRows == 0 && kKeys % Product::kRows == 0);

  static int64_t whole_tiles(int64_t rows) { return ceil_div(rows, Product::kRows) * Product::kRows; }
};

// Rows of the gradients of keys that are kept, in whole tiles.
int64_t key_rows(int64_t tile, int64_t sequence) { return ceil_div(sequence, tile) * tile; }

int64_t padded_head(int64_t head_size) { return ceil_div(head_size, kTileCols) * kTileCols; }

// What a tile of `queries` queries from i0 on sees of the keys from j0 on. Register tiles above the diagonal are left
// out; in those that cross it the caller masks what is not visible.
template <class Operand>
struct Causal {
  static constexpr int64_t kRows = PanelProduct<Operand>::kRows, kCols = PanelProduct<Operand>::kCols;
  static constexpr int64_t kKeys = Blocks<Operand>::kKeys;
  int64_t i0;
  int64_t j0;
  int64_t queries;

  // Keys that query row r may see.
  int64_t visible(int64_t r) const { return larger(0, smaller(kKeys, i0 + r - j0 + 1)); }
  // Keys that any row of the register tile of row r may see.
  int64_t seen_by_tile(int64_t r) const { return visible(smaller(queries, (r / kRows + 1) * kRows) - 1); }
  // The same in whole register tiles: columns of the scores that are computed.
  int64_t columns(int64_t r) const { return ceil_div(seen_by_tile(r), kCols) * kCols; }
  // First query that sees any key of the register tile of key row j.
  int64_t first_query(int64_t j) const { return smaller(queries, larger(0, j0 + j / kRows * kRows - i0)); }
};

// Rows of the head that comes next, to be fetched while those of this one are computed.
template <class T>
struct NextHead {
  const T* q;
  const T* k;
  const T* v;
  int64_t row;
  int64_t head_size;

  BURGEON_INLINE void fetch(int64_t i) const {
    fetch_run(q + i * row, head_size);
    fetch_run(k + i * row, head_size);
    fetch_run(v + i * row, head_size);
  }
};

// What a query has seen so far: the largest score, and the sum of exponentials less that.
struct RowState {
  float top;
  float weight;
};

// Online softmax of a row of scores: turns them into exponentials less the largest score so far, and corrects what
// earlier tiles of keys added up (sums, unless this is the first tile). Columns that the query may not see become 0.
template <class T>
BURGEON_INLINE RowState softmax_row(float* p, int64_t visible, int64_t columns, float scale, RowState before,
                                    bool is_first, float* sums, int64_t head_pad) {
  Vec tile_top = splat(-__builtin_inff());
  for (int64_t c = 0; c < columns; c += kWidth) {
    Vec score = load(p + c);
    if (c + kWidth > visible) store(p + c, score = keep_first(score, visible - c, -__builtin_inff()));
    tile_top = largest(tile_top, score);
  }
  const float candidate = scale * largest_lane(tile_top);
  const float top = candidate > before.top ? candidate : before.top;
  Vec sum = {};
  for (int64_t c = 0; c < columns; c += kWidth) {
    const Vec e = exponential_for<T>(load(p + c) * scale - top);
    store(p + c, e);
    sum += e;
  }
  if (is_first) return {top, sum_lanes(sum)};
  const float correction = exponential(splat(before.top - top))[0];
  if (top != before.top) {
    for (int64_t d = 0; d < head_pad; d += kWidth) store(sums + d, load(sums + d) * correction);
  }
  return {top, before.weight * correction + sum_lanes(sum)};
}

// Divides the sums of `queries` rows by their weights and writes them, and the log-sum-exp of their scores.
template <class T>
BURGEON_INLINE void write_results(T* out, int64_t out_row, float* lse, const float* sums, int64_t head_pad,
                                  const float* tops, float* weights, int64_t queries, int64_t head_size) {
  for (int64_t r = 0; r < queries; r += kWidth) {
    const Vec weight = load(weights + r);
    store_first(lse + r, load(tops + r) + logarithm(weight), queries - r);
    store(weights + r, 1.0f / weight);
  }
  for (int64_t r = 0; r < queries; ++r) {
    for (int64_t d = 0; d < head_size; d += kWidth) {
      store_first(out + r * out_row + d, load(sums + r * head_pad + d) * weights[r], head_size - d);
    }
  }
}

// Of every row, the product of the result and its gradient: what the softmax's gradient subtracts.
template <class T>
BURGEON_INLINE void dot_rows(float* dots, const T* dresult, const T* result, int64_t row, int64_t sequence,
                             int64_t head_size) {
  for (int64_t i = 0; i < sequence; ++i) {
    if (i + kAhead < sequence) prefetch_row(result + (i + kAhead) * row, head_size);
    Vec sum = {};
    for (int64_t d = 0; d < head_size; d += kWidth) {
      sum += load_first(dresult + i * row + d, head_size - d) * load_first(result + i * row + d, head_size - d);
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

// Memory of one task of backward.
template <class T>
struct BackwardMemory {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  using Both = SmallBoth<Operand>;
  static constexpr int64_t kQueries = Blocks<Operand>::kQueries, kKeys = Blocks<Operand>::kKeys;

  BackwardMemory(Scratch scratch, int64_t sequence, int64_t head_size, int64_t head_pad)
      : keys(scratch.take(Right::floats(sequence, head_size))),
        values(scratch.take(Right::floats(sequence, head_size))),
        key_rows(scratch.take(Right::floats(head_size, sequence))),
        queries(scratch.take(Both::left_floats(sequence, head_size))),
        query_rows(scratch.take(Both::right_floats(sequence, head_size))),
        dresults(scratch.take(Both::left_floats(sequence, head_size))),
        dresult_rows(scratch.take(Both::right_floats(sequence, head_size))),
        p(scratch.take(Left::floats(kKeys, kQueries))),
        ds(scratch.take(Left::floats(kKeys, kQueries))),
        ds_rows(scratch.take(Left::floats(kQueries, kKeys))),
        dqueries(scratch.take(Blocks<Operand>::whole_tiles(sequence) * head_pad)),
        dkeys(scratch.take(burgeon::BURGEON_ISA::key_rows(kKeys, sequence) * head_pad)),
        dvalues(scratch.take(burgeon::BURGEON_ISA::key_rows(kKeys, sequence) * head_pad)),
        p_tile(scratch.take(kQueries * kKeys)),
        ds_tile(scratch.take(kQueries * kKeys)),
        dots(scratch.take(sequence)) {}

  // Packed operands.
  float *keys, *values, *key_rows, *queries, *query_rows, *dresults, *dresult_rows, *p, *ds, *ds_rows;
  // Sums, (rows, head_pad).
  float *dqueries, *dkeys, *dvalues;
  // Probabilities and gradients of scores, (kQueries, kKeys).
  float *p_tile, *ds_tile;
  float* dots;
};

}  // namespace

template <class T>
size_t attention_thread_scratch_bytes(int64_t sequence, int64_t head_size) {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  using Both = SmallBoth<Operand>;
  constexpr int64_t kQueries = Blocks<Operand>::kQueries, kKeys = Blocks<Operand>::kKeys;
  const int64_t head = padded_head(head_size);
  const int64_t rows = Blocks<Operand>::whole_tiles(sequence);
  const int64_t forward = Right::floats(sequence, head_size) + Right::floats(head_size, sequence) +
                          Left::floats(kQueries, head_size) + Left::floats(kQueries, kKeys) + kQueries * (kKeys + head);
  const int64_t backward = 2 * Right::floats(sequence, head_size) + Right::floats(head_size, sequence) +
                           2 * (Both::left_floats(sequence, head_size) + Both::right_floats(sequence, head_size)) +
                           2 * Left::floats(kKeys, kQueries) + Left::floats(kQueries, kKeys) + rows * head +
                           2 * (key_rows(kKeys, sequence) * head + kKeys * kQueries) + sequence;
  return static_cast<size_t>(larger(forward, backward) + 16 * 16) * sizeof(float);
}

// One task is one query head of one sequence.
template <class T>
void attention_forward(OpContext& ctx, T* out, Master<T>* lse, const T* qkv, int64_t batch, int64_t sequence,
                       int64_t heads, int64_t kv_heads, int64_t head_size) {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  constexpr int64_t kQueries = Blocks<Operand>::kQueries, kKeys = Blocks<Operand>::kKeys;
  static_assert(kQueries % kWidth == 0);
  const HeadOffsets at{sequence, heads, kv_heads, head_size};
  const int64_t row = at.row();
  const int64_t head_pad = padded_head(head_size);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head_size));
  const bool fetches = 3 * sequence * head_size * static_cast<int64_t>(sizeof(T)) <= kFetchedBytes;
  parallel_for(ctx, batch * heads, [&](int64_t task, int thread) {
    const int64_t following = smaller(task + 1, batch * heads - 1);
    const NextHead<T> next{qkv + at.query(following), qkv + at.key(following), qkv + at.value(following), row,
                           head_size};
    Scratch scratch{scratch_of(ctx, thread)};
    float* keys_memory = scratch.take(Right::floats(sequence, head_size));
    float* values_memory = scratch.take(Right::floats(head_size, sequence));
    float* query_memory = scratch.take(Left::floats(kQueries, head_size));
    float* probability_memory = scratch.take(Left::floats(kQueries, kKeys));
    float* scores = scratch.take(kQueries * kKeys);
    float* sums = scratch.take(kQueries * head_pad);
    float tops[kQueries];
    float weights[kQueries];
    const typename PanelProduct<Operand>::Scope scope;
    const Right keys = Right::load_transposed(keys_memory, qkv + at.key(task), row, sequence, head_size);
    const Right values = Right::load(values_memory, qkv + at.value(task), row, head_size, sequence);

    for (int64_t i0 = 0; i0 < sequence; i0 += kQueries) {
      const int64_t queries = smaller(kQueries, sequence - i0);
      T* result = out + at.out(task) + i0 * at.out_row();
      for (int64_t r = 0; r < kQueries; ++r) {
        tops[r] = -__builtin_inff();
        weights[r] = 1;
      }
      // Rows beyond the last query are zero; what is computed of them stays in the tiles.
      const int64_t rows = Blocks<Operand>::whole_tiles(queries);
      const Left query_tile = Left::load_rows(query_memory, qkv + at.query(task) + i0 * row, row, queries, head_size);
      for (int64_t j0 = 0; j0 < i0 + queries; j0 += kKeys) {
        const Causal<Operand> causal{i0, j0, queries};
        const auto scored = [&](int64_t r) { return Span{causal.columns(r), 0, head_size}; };
        const auto summed = [&](int64_t r) { return Span{head_pad, 0, causal.seen_by_tile(r)}; };
        // Scores of the tile.
        multiply_small<Operand>(rows, scored, query_tile, keys.from_column(j0), scores, kKeys, false);
        // Exponentials of them.
        for (int64_t r = 0; r < queries; ++r) {
          float* p = scores + r * kKeys;
          if (j0 == 0) {
            if (fetches) next.fetch(i0 + r);
            prefetch_row<true>(result + r * at.out_row(), head_size);
          }
          if (causal.visible(r) == 0) {
            for (int64_t c = 0; c < causal.columns(r); c += kWidth) store(p + c, Vec{});
            continue;
          }
          const RowState state = softmax_row<T>(p, causal.visible(r), causal.columns(r), scale, {tops[r], weights[r]},
                                                j0 == 0, sums + r * head_pad, head_pad);
          tops[r] = state.top;
          weights[r] = state.weight;
        }
        // Sums of values, weighted by them.
        const Left probabilities =
            Left::tile_rows(probability_memory, scores, kKeys, rows, causal.seen_by_tile(rows - 1));
        multiply_small<Operand>(rows, summed, probabilities, values.from_depth(j0), sums, head_pad, j0 > 0);
      }
      write_results(result, at.out_row(), lse + task * sequence + i0, sums, head_pad, tops, weights, queries,
                    head_size);
    }
  });
  ctx.multiply_adds += batch * heads * head_size * (sequence * (sequence + 1));
}

// One task is one key and value head of one sequence, with the query heads that share it.
template <class T>
void attention_backward(OpContext& ctx, T* dqkv, const T* dout, const T* qkv, const T* out, const Master<T>* lse,
                        int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size) {
  using Operand = OperandOf<T>;
  using Left = SmallLeft<Operand>;
  using Right = SmallRight<Operand>;
  using Both = SmallBoth<Operand>;
  constexpr int64_t kQueries = Blocks<Operand>::kQueries, kKeys = Blocks<Operand>::kKeys;
  const HeadOffsets at{sequence, heads, kv_heads, head_size};
  const int64_t row = at.row(), out_row = at.out_row();
  const int64_t group = heads / kv_heads;
  const int64_t head_pad = padded_head(head_size);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head_size));
  const bool fetches = 5 * sequence * head_size * static_cast<int64_t>(sizeof(T)) <= kFetchedBytes;
  parallel_for(ctx, batch * kv_heads, [&](int64_t task, int thread) {
    const int64_t first = task * group;
    const T* k = qkv + at.key(first);
    T* dk = dqkv + at.key(first);
    T* dv = dqkv + at.value(first);
    const BackwardMemory<T> memory(Scratch{scratch_of(ctx, thread)}, sequence, head_size, head_pad);
    const typename PanelProduct<Operand>::Scope scope;
    const Right keys = Right::load_transposed(memory.keys, k, row, sequence, head_size);
    const Right values = Right::load_transposed(memory.values, qkv + at.value(first), row, sequence, head_size);
    const Right key_rows = Right::load(memory.key_rows, k, row, head_size, sequence);
    for (int64_t index = first; index < first + group; ++index) {
      T* dq = dqkv + at.query(index);
      const T* dresult = dout + at.out(index);
      const bool is_first = index == first, is_last = index + 1 == first + group;
      const int64_t following = smaller(index + 1, batch * heads - 1);
      const NextHead<T> next{qkv + at.query(following), qkv + at.key(following), qkv + at.value(following), row,
                             head_size};
      const T *next_dresult = dout + at.out(following), *next_result = out + at.out(following);
      const Both query_rows =
          Both::load(memory.queries, memory.query_rows, qkv + at.query(index), row, sequence, head_size);
      const Both dresult_rows = Both::load(memory.dresults, memory.dresult_rows, dresult, out_row, sequence, head_size);
      dot_rows(memory.dots, dresult, out + at.out(index), out_row, sequence, head_size);

      for (int64_t j0 = 0; j0 < sequence; j0 += kKeys) {
        const int64_t tile_keys = smaller(kKeys, sequence - j0);
        // Sums over several heads wait for the last; those of one are written while they are in cache.
        float* dkey_tile = memory.dkeys + (group > 1 ? j0 * head_pad : 0);
        float* dvalue_tile = memory.dvalues + (group > 1 ? j0 * head_pad : 0);
        bool add = !is_first;
        for (int64_t i0 = j0 / kQueries * kQueries; i0 < sequence; i0 += kQueries) {
          const int64_t queries = smaller(kQueries, sequence - i0);
          const int64_t rows = Blocks<Operand>::whole_tiles(queries);
          const Causal<Operand> causal{i0, j0, queries};
          const auto scored = [&](int64_t r) { return Span{causal.columns(r), 0, head_size}; };
          // Scores again, and gradients of probabilities.
          multiply_small<Operand>(rows, scored, query_rows.left.from(i0), keys.from_column(j0), memory.p_tile, kKeys,
                                  false);
          multiply_small<Operand>(rows, scored, dresult_rows.left.from(i0), values.from_column(j0), memory.ds_tile,
                                  kKeys, false);
          // Probabilities, and gradients of scores.
          for (int64_t r = 0; r < queries; ++r) {
            const int64_t i = i0 + r;
            if (j0 == 0 && fetches) {
              next.fetch(i);
              fetch_run(next_dresult + i * out_row, head_size);
              fetch_run(next_result + i * out_row, head_size);
            }
            // What will be written after the last queries of these keys.
            if (i < j0 + kKeys) {
              prefetch_row<true>(dq + i * row, head_size);
              prefetch_row<true>(dk + i * row, head_size);
              prefetch_row<true>(dv + i * row, head_size);
            }
            // As far as a register tile of keys that this row sees any of may reach.
            const int64_t visible = causal.visible(r);
            const int64_t end = smaller(kKeys, visible + Causal<Operand>::kRows);
            softmax_gradient_row<T>(memory.p_tile + r * kKeys, memory.ds_tile + r * kKeys, visible, end, scale,
                                    lse[index * sequence + i], memory.dots[i]);
          }
          for (int64_t i = queries * kKeys; i < rows * kKeys; i += kWidth) {
            store(memory.p_tile + i, Vec{});
            store(memory.ds_tile + i, Vec{});
          }
          // Gradients of values, keys and queries.
          const auto seeing = [&](int64_t j) { return Span{head_pad, causal.first_query(j), queries}; };
          const auto seen = [&](int64_t r) { return Span{head_pad, 0, causal.seen_by_tile(r)}; };
          const int64_t key_count = Blocks<Operand>::whole_tiles(tile_keys);
          const Left p = Left::tile_columns(memory.p, memory.p_tile, kKeys, key_count, queries);
          const Left ds = Left::tile_columns(memory.ds, memory.ds_tile, kKeys, key_count, queries);
          const Left ds_rows =
              Left::tile_rows(memory.ds_rows, memory.ds_tile, kKeys, rows, causal.seen_by_tile(rows - 1));
          multiply_small<Operand>(key_count, seeing, p, dresult_rows.right.from_depth(i0), dvalue_tile, head_pad, add);
          multiply_small<Operand>(key_count, seeing, ds, query_rows.right.from_depth(i0), dkey_tile, head_pad, add);
          multiply_small<Operand>(rows, seen, ds_rows, key_rows.from_depth(j0), memory.dqueries + i0 * head_pad,
                                  head_pad, j0 > 0);
          add = true;
        }
        // The queries at these places see no later keys.
        write_rows(dq + j0 * row, row, memory.dqueries + j0 * head_pad, head_pad, tile_keys, head_size);
        if (!is_last) continue;
        write_rows(dk + j0 * row, row, dkey_tile, head_pad, tile_keys, head_size);
        write_rows(dv + j0 * row, row, dvalue_tile, head_pad, tile_keys, head_size);
      }
    }
  });
  ctx.multiply_adds += 2 * batch * heads * head_size * (sequence * (sequence + 1));
}

template size_t attention_thread_scratch_bytes<float>(int64_t, int64_t);
template size_t attention_thread_scratch_bytes<bfloat16>(int64_t, int64_t);
template AttentionForward<float> attention_forward<float>;
template AttentionForward<bfloat16> attention_forward<bfloat16>;
template AttentionBackward<float> attention_backward<float>;
template AttentionBackward<bfloat16> attention_backward<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
