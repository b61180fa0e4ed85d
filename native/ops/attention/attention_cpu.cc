// Blocked attention with an online softmax: no T x T buffer, tiles above the diagonal skipped. One task owns one head
// of one sequence, in backward one key and value head with its query heads, so every gradient has one owner and the
// order of summation is fixed. Source: Dao et al., FlashAttention (2022); Milakov and Gimelshein, Online normalizer
// calculation for softmax (2018).
#include "backend/cpu/micro_kernel.h"
#include "ops/attention/attention.h"

namespace burgeon::BURGEON_ISA {

namespace {

constexpr int64_t kQueries = 48;          // rows of a score tile, a multiple of every kTileRows
constexpr int64_t kKeys = 3 * kTileCols;  // columns of a score tile
static_assert(kQueries % kTileRows == 0 && kKeys % kTileRows == 0);
// Rows of a head are far apart in memory, which the hardware does not foresee; this many are fetched ahead.
constexpr int64_t kAhead = 16;

int64_t padded_keys(int64_t sequence) { return ceil_div(sequence, kKeys) * kKeys; }
int64_t whole_tiles(int64_t rows) { return ceil_div(rows, kTileRows) * kTileRows; }
int64_t padded_head(int64_t head_size) { return ceil_div(head_size, kTileCols) * kTileCols; }

// Hands out consecutive pieces of a thread's scratch.
struct Scratch {
  float* next;
  float* take(int64_t count) {
    float* piece = next;
    next += ceil_div(count, 16) * 16;
    return piece;
  }
};

// rows (count, head_size) of stride `stride` -> (padded count, padded head), zeros outside.
void copy_head(float* to, const float* from, int64_t stride, int64_t count, int64_t padded, int64_t head_size,
               int64_t head_pad) {
  for (int64_t t = 0; t < padded; ++t) {
    if (t + kAhead < count) prefetch_row(from + (t + kAhead) * stride, head_size);
    for (int64_t d = 0; d < head_pad; d += kWidth) {
      store(to + t * head_pad + d, load_first(from + t * stride + d, t < count ? head_size - d : 0));
    }
  }
}

// The same rows transposed -> (head_size, padded count), zeros outside. `padded` is a multiple of kWidth.
void transpose_head(float* to, const float* from, int64_t stride, int64_t count, int64_t padded, int64_t head_size) {
  for (int64_t t = 0; t < padded; t += kWidth) {
    for (int64_t i = t + kAhead; i < smaller(count, t + kAhead + kWidth); ++i)
      prefetch_row(from + i * stride, head_size);
    for (int64_t d = 0; d < head_size; d += kWidth) {
      Vec block[kWidth];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kWidth; ++i) {
        block[i] = load_first(from + (t + i) * stride + d, t + i < count ? head_size - d : 0);
      }
      transpose(block);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kWidth; ++i) {
        if (d + i < head_size) store(to + (d + i) * padded + t, block[i]);
      }
    }
  }
}

// What a tile of `queries` queries from i0 on sees of the keys from j0 on. Register tiles above the diagonal are left
// out; in those that cross it the caller masks what is not visible.
struct Causal {
  int64_t i0;
  int64_t j0;
  int64_t queries;

  // Keys that query row r may see.
  int64_t visible(int64_t r) const { return larger(0, smaller(kKeys, i0 + r - j0 + 1)); }
  // Keys that any row of the register tile of row r may see.
  int64_t seen_by_tile(int64_t r) const { return visible(smaller(queries, (r / kTileRows + 1) * kTileRows) - 1); }
  // The same in whole register tiles: columns of the scores that are computed.
  int64_t columns(int64_t r) const { return ceil_div(seen_by_tile(r), kTileCols) * kTileCols; }
  // First query that sees any key of the register tile of key row j.
  int64_t first_query(int64_t j) const { return smaller(queries, larger(0, j0 + j / kTileRows * kTileRows - i0)); }
};

}  // namespace

size_t attention_thread_scratch_bytes(int64_t sequence, int64_t head_size) {
  const int64_t keys = padded_keys(sequence) + kQueries;  // query tiles may reach past the last key tile
  const int64_t head = padded_head(head_size);
  const int64_t backward = 4 * keys * head + 2 * head_size * keys + 2 * kKeys * head + 2 * kQueries * kKeys + keys;
  return static_cast<size_t>(backward + 16 * 12) * sizeof(float);
}

void attention_forward(OpContext& ctx, float* out, float* lse, const float* qkv, int64_t batch, int64_t sequence,
                       int64_t heads, int64_t kv_heads, int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  const int64_t keys = padded_keys(sequence);
  const int64_t head_pad = padded_head(head_size);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head_size));
  parallel_for(ctx, batch * heads, [&](int64_t task, int thread) {
    const int64_t b = task / heads;
    const int64_t a = task % heads;
    const float* q = qkv + b * sequence * row + a * head_size;
    const float* k = qkv + b * sequence * row + (heads + a / (heads / kv_heads)) * head_size;
    const float* v = k + kv_heads * head_size;
    Scratch scratch{reinterpret_cast<float*>(ctx.thread_scratch + thread * ctx.thread_scratch_bytes)};
    float* keys_t = scratch.take(head_size * keys);
    float* values = scratch.take(keys * head_pad);
    float* query_tile = scratch.take(kQueries * head_pad);
    float* scores = scratch.take(kQueries * kKeys);
    float* sums = scratch.take(kQueries * head_pad);
    float tops[kQueries];
    float weights[kQueries];
    transpose_head(keys_t, k, row, sequence, keys, head_size);
    copy_head(values, v, row, sequence, keys, head_size, head_pad);

    for (int64_t i0 = 0; i0 < sequence; i0 += kQueries) {
      const int64_t queries = smaller(kQueries, sequence - i0);
      for (int64_t i = i0 + kQueries; i < smaller(sequence, i0 + 2 * kQueries); ++i)
        prefetch_row(q + i * row, head_size);
      for (int64_t r = 0; r < queries; ++r) {
        tops[r] = -__builtin_inff();
        weights[r] = 0;
      }
      // Rows beyond the last query are zero; what is computed of them stays in the tiles.
      const int64_t rows = whole_tiles(queries);
      copy_head(query_tile, q + i0 * row, row, queries, rows, head_size, head_pad);
      for (int64_t j0 = 0; j0 < i0 + queries; j0 += kKeys) {
        const Causal causal{i0, j0, queries};
        multiply_small(
            rows,
            [&](int64_t r) {
              return Span{causal.columns(r), 0, head_size};
            },
            query_tile, head_pad, 1, keys_t + j0, keys, scores, kKeys, false);
        for (int64_t r = 0; r < queries; ++r) {
          float* p = scores + r * kKeys;
          const int64_t visible = causal.visible(r);
          const int64_t columns = causal.columns(r);
          if (visible == 0) {
            for (int64_t c = 0; c < columns; c += kWidth) store(p + c, Vec{});
            continue;
          }
          Vec tile_top = splat(-__builtin_inff());
          for (int64_t c = 0; c < columns; c += kWidth) {
            Vec score = load(p + c);
            if (c + kWidth > visible) store(p + c, score = keep_first(score, visible - c, -__builtin_inff()));
            tile_top = largest(tile_top, score);
          }
          const float candidate = scale * largest_lane(tile_top);
          const float top = candidate > tops[r] ? candidate : tops[r];
          Vec sum = {};
          for (int64_t c = 0; c < columns; c += kWidth) {
            const Vec e = exponential(load(p + c) * scale - top);
            store(p + c, e);
            sum += e;
          }
          const float correction = exponential(splat(tops[r] - top))[0];
          weights[r] = weights[r] * correction + sum_lanes(sum);
          if (j0 > 0 && top != tops[r]) {
            for (int64_t d = 0; d < head_pad; d += kWidth) {
              store(sums + r * head_pad + d, load(sums + r * head_pad + d) * correction);
            }
          }
          tops[r] = top;
        }
        multiply_small(
            rows,
            [&](int64_t r) {
              return Span{head_pad, 0, causal.seen_by_tile(r)};
            },
            scores, kKeys, 1, values + j0 * head_pad, head_pad, sums, head_pad, j0 > 0);
      }
      for (int64_t r = 0; r < queries; ++r) {
        lse[task * sequence + i0 + r] = tops[r] + __builtin_logf(weights[r]);
        float* result = out + ((b * sequence + i0 + r) * heads + a) * head_size;
        const float inverse = 1.0f / weights[r];
        for (int64_t d = 0; d < head_size; d += kWidth) {
          store_first(result + d, load(sums + r * head_pad + d) * inverse, head_size - d);
        }
      }
    }
  });
  ctx.multiply_adds += batch * heads * head_size * (sequence * (sequence + 1));
}

void attention_backward(OpContext& ctx, float* dqkv, const float* dout, const float* qkv, const float* out,
                        const float* lse, int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads,
                        int64_t head_size) {
  const int64_t row = (heads + 2 * kv_heads) * head_size;
  const int64_t group = heads / kv_heads;
  const int64_t out_row = heads * head_size;
  const int64_t keys = padded_keys(sequence);
  const int64_t head_pad = padded_head(head_size);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head_size));
  parallel_for(ctx, batch * kv_heads, [&](int64_t task, int thread) {
    const int64_t b = task / kv_heads;
    const int64_t kv_head = task % kv_heads;
    const float* k = qkv + b * sequence * row + (heads + kv_head) * head_size;
    const float* v = k + kv_heads * head_size;
    float* dk = dqkv + (k - qkv);
    float* dv = dqkv + (v - qkv);

    Scratch scratch{reinterpret_cast<float*>(ctx.thread_scratch + thread * ctx.thread_scratch_bytes)};
    float* keys_t = scratch.take(head_size * keys);
    float* values_t = scratch.take(head_size * keys);
    float* key_rows = scratch.take(keys * head_pad);
    float* query_rows = scratch.take((keys + kQueries) * head_pad);
    float* dresult_rows = scratch.take((keys + kQueries) * head_pad);
    float* dquery_rows = scratch.take((keys + kQueries) * head_pad);
    float* dkey_tile = scratch.take(kKeys * head_pad);
    float* dvalue_tile = scratch.take(kKeys * head_pad);
    float* p_tile = scratch.take(kQueries * kKeys);
    float* ds_tile = scratch.take(kQueries * kKeys);
    float* row_dots = scratch.take(sequence);
    transpose_head(keys_t, k, row, sequence, keys, head_size);
    transpose_head(values_t, v, row, sequence, keys, head_size);
    copy_head(key_rows, k, row, sequence, keys, head_size, head_pad);
    for (int64_t a = kv_head * group; a < (kv_head + 1) * group; ++a) {
      const float* q = qkv + b * sequence * row + a * head_size;
      float* dq = dqkv + (q - qkv);
      const float* dresult = dout + b * sequence * out_row + a * head_size;
      const float* result = out + b * sequence * out_row + a * head_size;
      const float* row_lse = lse + (b * heads + a) * sequence;
      const bool add_head = a > kv_head * group;
      // Rows beyond the sequence are zero as far as register tiles reach.
      const int64_t padded = whole_tiles(sequence);
      copy_head(query_rows, q, row, sequence, padded, head_size, head_pad);
      copy_head(dresult_rows, dresult, out_row, sequence, padded, head_size, head_pad);
      for (int64_t i = 0; i < sequence * head_pad; i += kWidth) store(dquery_rows + i, Vec{});
      for (int64_t i = 0; i < sequence; ++i) {
        if (i + kAhead < sequence) prefetch_row(result + (i + kAhead) * out_row, head_size);
        Vec sum = {};
        for (int64_t d = 0; d < head_size; d += kWidth) {
          sum += load(dresult_rows + i * head_pad + d) * load_first(result + i * out_row + d, head_size - d);
        }
        row_dots[i] = sum_lanes(sum);
      }

      for (int64_t j0 = 0; j0 < sequence; j0 += kKeys) {
        const int64_t tile_keys = smaller(kKeys, sequence - j0);
        bool add = false;
        for (int64_t i0 = j0 / kQueries * kQueries; i0 < sequence; i0 += kQueries) {
          const int64_t queries = smaller(kQueries, sequence - i0);
          const int64_t rows = whole_tiles(queries);
          const Causal causal{i0, j0, queries};
          const auto scored = [&](int64_t r) { return Span{causal.columns(r), 0, head_size}; };
          multiply_small(rows, scored, query_rows + i0 * head_pad, head_pad, 1, keys_t + j0, keys, p_tile, kKeys,
                         false);
          multiply_small(rows, scored, dresult_rows + i0 * head_pad, head_pad, 1, values_t + j0, keys, ds_tile, kKeys,
                         false);
          for (int64_t r = 0; r < queries; ++r) {
            float* p = p_tile + r * kKeys;
            float* ds = ds_tile + r * kKeys;
            const int64_t visible = causal.visible(r);
            int64_t c = 0;
            for (; c < visible; c += kWidth) {
              Vec probability = exponential(load(p + c) * scale - row_lse[i0 + r]);
              Vec dscore = probability * (load(ds + c) - row_dots[i0 + r]) * scale;
              if (c + kWidth > visible) {
                probability = keep_first(probability, visible - c, 0);
                dscore = keep_first(dscore, visible - c, 0);
              }
              store(p + c, probability);
              store(ds + c, dscore);
            }
            // As far as a register tile of keys that this row sees any of may reach.
            for (; c < smaller(kKeys, visible + kTileRows); c += kWidth) {
              store(p + c, Vec{});
              store(ds + c, Vec{});
            }
          }
          const auto seeing = [&](int64_t j) { return Span{head_pad, causal.first_query(j), queries}; };
          multiply_small(whole_tiles(tile_keys), seeing, p_tile, 1, kKeys, dresult_rows + i0 * head_pad, head_pad,
                         dvalue_tile, head_pad, add);
          multiply_small(whole_tiles(tile_keys), seeing, ds_tile, 1, kKeys, query_rows + i0 * head_pad, head_pad,
                         dkey_tile, head_pad, add);
          multiply_small(
              rows,
              [&](int64_t r) {
                return Span{head_pad, 0, causal.seen_by_tile(r)};
              },
              ds_tile, kKeys, 1, key_rows + j0 * head_pad, head_pad, dquery_rows + i0 * head_pad, head_pad, true);
          add = true;
        }
        for (int64_t t = 0; t < tile_keys; ++t) {
          for (int64_t d = 0; d < head_size; d += kWidth) {
            const int64_t at = (j0 + t) * row + d;
            Vec dkey = load(dkey_tile + t * head_pad + d);
            Vec dvalue = load(dvalue_tile + t * head_pad + d);
            if (add_head) {
              dkey += load_first(dk + at, head_size - d);
              dvalue += load_first(dv + at, head_size - d);
            }
            store_first(dk + at, dkey, head_size - d);
            store_first(dv + at, dvalue, head_size - d);
          }
        }
      }
      for (int64_t i = 0; i < sequence; ++i) {
        for (int64_t d = 0; d < head_size; d += kWidth) {
          store_first(dq + i * row + d, load(dquery_rows + i * head_pad + d), head_size - d);
        }
      }
    }
  });
  ctx.multiply_adds += 2 * batch * heads * head_size * (sequence * (sequence + 1));
}

}  // namespace burgeon::BURGEON_ISA
