// Causal attention backward on sm_90a. As in attention_cuda.cu the scores are made twice, so that every gradient has
// one owner: a block of the first kernel has 128 keys of a key and value head and walks over the queries of all heads
// that read it, in order; a block of the second has 128 queries and walks over keys. A warp of the first warpgroup
// loads, two warpgroups have 64 of the block's rows each. Weights and their gradients go from accumulators into left
// operands, so no tile is written to shared memory but by loads.
#include "kernels/cuda/quad.cuh"
#include "kernels/cuda/ring.cuh"
#include "kernels/cuda/swizzled_tile.cuh"
#include "kernels/cuda/vector.cuh"
#include "ops/attention/attention_sm90.h"

namespace burgeon::cuda {

namespace {

constexpr int kOwnRows = 128;  // of a block: keys in the first kernel, queries in the second
constexpr int kBoxRows = 64;   // of all tensor maps
constexpr int kThreads = 3 * kWarpgroup;
constexpr int kConsumerWarps = 2 * kWarpgroup / kWarpSize;

// A block has two tiles of its own rows, and a ring with two tiles of kRows rows of the other side in a stage.
template <int kSize, int kRows, int kStages>
struct Parts {
  using Own = SwizzledTile<kOwnRows, kSize, kBoxRows>;
  using Tile = SwizzledTile<kRows, kSize, kBoxRows>;
  using Ring = cuda::Ring<kStages, 2 * Tile::kBytes>;
  static constexpr int kBytes = 2 * Own::kBytes + Ring::kBytes + 16;

  SharedAddress own;  // the second of them follows

  BURGEON_DEVICE Ring ring() const { return {own + 2 * Own::kBytes}; }
  BURGEON_DEVICE SharedAddress own_full() const { return ring().shared + Ring::kBytes; }
};

// ---- keys and values

constexpr int kQueries = 64;  // of a tile

template <int kSize>
struct KeyGradientParts : Parts<kSize, kQueries, kSize == 64 ? 6 : 4> {
  static constexpr int kStages = kSize == 64 ? 6 : 4;
  using Base = Parts<kSize, kQueries, kStages>;
  // Of the queries of a stage, for each: lse in base 2, then delta.
  static constexpr int kRowBytes = 2 * kQueries * 4;
  static constexpr int kBytes = Base::kBytes + kStages * kRowBytes;
  BURGEON_DEVICE static int rows_at(int step) { return Base::kBytes + step % kStages * kRowBytes; }
};

// The scores transposed: rows are keys, columns queries.
template <int kSize>
BURGEON_KERNEL(kThreads, 1)
sm90_key_gradient_kernel(bfloat16* dqkv, BURGEON_TENSOR_MAP(qkv), BURGEON_TENSOR_MAP(dout), const float* lse,
                         const float* delta, Heads at, Scale scale) {
  using Layout = KeyGradientParts<kSize>;
  using Own = typename Layout::Own;
  using Tile = typename Layout::Tile;
  BURGEON_TILE_SHARED(bytes);
  Layout parts;
  parts.own = shared_address(bytes);
  const auto ring = parts.ring();
  const SharedAddress keys = parts.own;
  const SharedAddress values = keys + Own::kBytes;
  if (thread_index() == 0) {
    ring.init(kWarpSize, kConsumerWarps);
    init_barrier(parts.own_full(), 1);
    fence_barriers();
  }
  sync_threads();

  const int first = block_x() * kOwnRows;
  const int g = block_y();
  const int b = block_z();
  // Tiles of queries from the one that sees the first key to the end, for each head that reads these keys.
  const int first_tile = first / kQueries;
  const int tiles = (at.sequence + kQueries - 1) / kQueries - first_tile;
  const int steps = tiles * at.queries_per_kv_head();
  const auto first_query = [&](int step) { return (first_tile + step % tiles) * kQueries; };
  const int warpgroup = thread_index() / kWarpgroup;

  if (warpgroup == 0) {
    give_registers<24>();
    if (thread_index() >= kWarpSize) return;
    if (thread_index() == 0) {
      arrive_expecting(parts.own_full(), 2 * Own::kBytes);
      Own::load(keys, qkv, (at.heads + g) * kSize, first, b, parts.own_full());
      Own::load(values, qkv, (at.heads + at.kv_heads + g) * kSize, first, b, parts.own_full());
    }
    for (int step = 0; step < steps; ++step) {
      const int a = g * at.queries_per_kv_head() + step / tiles;
      const int row = first_query(step);
      ring.wait_until_free(step);
      float* const rows = reinterpret_cast<float*>(bytes + Layout::rows_at(step));
      for (int i = thread_index(); i < kQueries; i += kWarpSize) {
        // The weight of a query that does not exist is 0.
        const bool there = row + i < at.sequence;
        rows[i] = there ? lse[at.row(b, a) + row + i] * kLog2E : INFINITY;
        rows[kQueries + i] = there ? delta[at.row(b, a) + row + i] : 0;
      }
      if (thread_index() == 0) {
        arrive_expecting(ring.full(step), 2 * Tile::kBytes);
        Tile::load(ring.stage(step), qkv, a * kSize, row, b, ring.full(step));
        Tile::load(ring.stage(step) + Tile::kBytes, dout, a * kSize, row, b, ring.full(step));
      } else {
        arrive(ring.full(step));
      }
    }
    return;
  }

  take_registers<240>();
  const int own = (warpgroup - 1) * 64;
  float dk[kSize / 8][4];
  float dv[kSize / 8][4];
  float scores[kQueries / 8][4];
  float slopes[kQueries / 8][4];
  uint32_t left[kQueries / 16][4];  // weights, then their slopes
  wait_for_phase(parts.own_full(), 0);
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    ring.wait_until_full(step);
    const SharedAddress queries = ring.stage(step);
    const SharedAddress douts = queries + Tile::kBytes;
    begin_products(scores);
#pragma unroll
    for (int k = 0; k < kSize; k += 16) {
      multiply_async<true, true>(scores, Own::across(keys, own, k), Tile::across(queries, 0, k), k > 0);
    }
    commit_products();
    wait_for_products<1>(left);  // of the step before
    if (step > 0) ring.release(step - 1);
    begin_products(slopes);
#pragma unroll
    for (int k = 0; k < kSize; k += 16) {
      multiply_async<true, true>(slopes, Own::across(values, own, k), Tile::across(douts, 0, k), k > 0);
    }
    commit_products();

    const float* const row_lse = reinterpret_cast<const float*>(bytes + Layout::rows_at(step));
    const float* const row_delta = row_lse + kQueries;
    // Queries from this column on see the first of the warpgroup's keys.
    const int diagonal = first + own - first_query(step);
    wait_for_products<1>(scores);
#pragma unroll
    for (int n = 0; n < kQueries / 8; ++n) {
      float column_lse[2];
      load(column_lse, row_lse + n * 8 + quad_column(0));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool seen = n * 8 + quad_column(i % 2) >= diagonal + quad_row(i / 2);
        const float weight = exp2_fast(fused_multiply_add(scores[n][i], scale.binary, -column_lse[i % 2]));
        scores[n][i] = seen ? weight : 0;
      }
    }
    as_left(left, scores);
    begin_products(dv, left);
#pragma unroll
    for (int k = 0; k < kQueries; k += 16) {
      multiply_async<false>(dv, left[k / 16], Tile::down(douts, k, 0), step > 0 || k > 0);
    }
    commit_products();
    wait_for_products<1>(slopes);
#pragma unroll
    for (int n = 0; n < kQueries / 8; ++n) {
      float column_delta[2];
      load(column_delta, row_delta + n * 8 + quad_column(0));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        slopes[n][i] = scores[n][i] * (slopes[n][i] - column_delta[i % 2]);
      }
    }
    wait_for_products<0>(dv, left);
    as_left(left, slopes);
    begin_products(dk, left);
#pragma unroll
    for (int k = 0; k < kQueries; k += 16) {
      multiply_async<false>(dk, left[k / 16], Tile::down(queries, k, 0), step > 0 || k > 0);
    }
    commit_products();
  }
  wait_for_products<0>(dk, left);
  const int64_t stride = at.qkv_stride();
  store_rows(dqkv + at.key(b, g), stride, first + own, at.sequence, dk, scale.natural);
  store_rows(dqkv + at.value(b, g), stride, first + own, at.sequence, dv, 1);
}

// ---- queries

template <int kSize>
constexpr int kKeys = kSize == 64 ? 128 : 64;  // of a tile: what registers allow

template <int kSize>
using QueryGradientParts = Parts<kSize, kKeys<kSize>, 4>;

template <int kSize>
BURGEON_KERNEL(kThreads, 1)
sm90_query_gradient_kernel(bfloat16* dqkv, BURGEON_TENSOR_MAP(qkv), BURGEON_TENSOR_MAP(dout), const float* lse,
                           const float* delta, Heads at, Scale scale) {
  using Layout = QueryGradientParts<kSize>;
  using Own = typename Layout::Own;
  using Tile = typename Layout::Tile;
  constexpr int kTileKeys = kKeys<kSize>;
  BURGEON_TILE_SHARED(bytes);
  const Layout parts{shared_address(bytes)};
  const auto ring = parts.ring();
  const SharedAddress queries = parts.own;
  const SharedAddress douts = queries + Own::kBytes;
  if (thread_index() == 0) {
    ring.init(1, kConsumerWarps);
    init_barrier(parts.own_full(), 1);
    fence_barriers();
  }
  sync_threads();

  const int first = (grid_x() - 1 - block_x()) * kOwnRows;  // long walks begin early
  const int a = block_y();
  const int b = block_z();
  const int last = first + kOwnRows < at.sequence ? first + kOwnRows : at.sequence;
  const int steps = (last + kTileKeys - 1) / kTileKeys;
  const int warpgroup = thread_index() / kWarpgroup;

  if (warpgroup == 0) {
    give_registers<24>();
    if (thread_index() != 0) return;
    arrive_expecting(parts.own_full(), 2 * Own::kBytes);
    Own::load(queries, qkv, a * kSize, first, b, parts.own_full());
    Own::load(douts, dout, a * kSize, first, b, parts.own_full());
    const int keys = (at.heads + a / at.queries_per_kv_head()) * kSize;
    for (int step = 0; step < steps; ++step) {
      ring.wait_until_free(step);
      arrive_expecting(ring.full(step), 2 * Tile::kBytes);
      Tile::load(ring.stage(step), qkv, keys, step * kTileKeys, b, ring.full(step));
      Tile::load(ring.stage(step) + Tile::kBytes, qkv, keys + at.kv_heads * kSize, step * kTileKeys, b,
                 ring.full(step));
    }
    return;
  }

  take_registers<240>();
  const int own = (warpgroup - 1) * 64;
  float row_lse[2];
  float row_delta[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first + own + quad_row(half);
    row_lse[half] = row < at.sequence ? lse[at.row(b, a) + row] * kLog2E : 0;
    row_delta[half] = row < at.sequence ? delta[at.row(b, a) + row] : 0;
  }
  float dq[kSize / 8][4];
  float scores[kTileKeys / 8][4];
  float slopes[kTileKeys / 8][4];
  uint32_t left[kTileKeys / 16][4];  // slopes of the weights
  wait_for_phase(parts.own_full(), 0);
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    ring.wait_until_full(step);
    const SharedAddress keys = ring.stage(step);
    const SharedAddress values = keys + Tile::kBytes;
    begin_products(scores);
#pragma unroll
    for (int k = 0; k < kSize; k += 16) {
      multiply_async<true, true>(scores, Own::across(queries, own, k), Tile::across(keys, 0, k), k > 0);
    }
    commit_products();
    wait_for_products<1>(left);  // of the step before
    if (step > 0) ring.release(step - 1);
    begin_products(slopes);
#pragma unroll
    for (int k = 0; k < kSize; k += 16) {
      multiply_async<true, true>(slopes, Own::across(douts, own, k), Tile::across(values, 0, k), k > 0);
    }
    commit_products();

    const int diagonal = first + own - step * kTileKeys;  // the column of the warpgroup's first query
    wait_for_products<1>(scores);
#pragma unroll
    for (int n = 0; n < kTileKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool seen = n * 8 + quad_column(i % 2) <= diagonal + quad_row(i / 2);
        const float weight = exp2_fast(fused_multiply_add(scores[n][i], scale.binary, -row_lse[i / 2]));
        scores[n][i] = seen ? weight : 0;
      }
    }
    wait_for_products<0>(slopes);
#pragma unroll
    for (int n = 0; n < kTileKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        slopes[n][i] = scores[n][i] * (slopes[n][i] - row_delta[i / 2]);
      }
    }
    as_left(left, slopes);
    begin_products(dq, left);
#pragma unroll
    for (int k = 0; k < kTileKeys; k += 16) {
      multiply_async<false>(dq, left[k / 16], Tile::down(keys, k, 0), step > 0 || k > 0);
    }
    commit_products();
  }
  wait_for_products<0>(dq, left);
  store_rows(dqkv + at.query(b, a), at.qkv_stride(), first + own, at.sequence, dq, scale.natural);
}

template <int kSize>
void launch_of_size(Stream stream, bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv, const float* lse,
                    const float* delta, int64_t batch, const Heads& at) {
  const auto map = [&](const bfloat16* data, int64_t heads) {
    const int64_t stride = heads * kSize;
    return tensor_map(data, {stride, at.sequence, stride, batch, at.sequence * stride}, kBoxRows);
  };
  const int64_t tiles = ceil_div(at.sequence, kOwnRows);
  if (tiles == 0 || batch == 0) return;
  const TensorMap qkv_map = map(qkv, at.heads + 2 * at.kv_heads);
  const TensorMap dout_map = map(dout, at.heads);
  launch(stream, {tiles, at.kv_heads, batch}, kThreads, KeyGradientParts<kSize>::kBytes,
         sm90_key_gradient_kernel<kSize>, dqkv, qkv_map, dout_map, lse, delta, at, scale_of(kSize));
  launch(stream, {tiles, at.heads, batch}, kThreads, QueryGradientParts<kSize>::kBytes,
         sm90_query_gradient_kernel<kSize>, dqkv, qkv_map, dout_map, lse, delta, at, scale_of(kSize));
}

}  // namespace

void launch_sm90_attention_backward(Stream stream, bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv,
                                    const float* lse, const float* delta, int64_t batch, const Heads& at) {
  if (at.head_size == 64) {
    launch_of_size<64>(stream, dqkv, dout, qkv, lse, delta, batch, at);
  } else {
    launch_of_size<128>(stream, dqkv, dout, qkv, lse, delta, batch, at);
  }
}

}  // namespace burgeon::cuda
