// Causal attention backward on sm_90a in one pass, for heads of 64 dimensions: a block owns a key and value head of a
// sequence, with all query heads that read it, and takes one such unit after another. It walks over tiles of 128 keys,
// whose gradients two warpgroups have in registers, 64 keys each, and within over the queries that see them. Scores are
// transposed, rows are keys, and made 64 queries at a time, a step; their slopes go through shared memory, and after
// two steps each warpgroup multiplies those of 64 queries with the keys. What the queries' gradients have come to is
// kept between tiles of keys as it lies in the accumulators: each thread has its own places, so nothing orders these
// but the thread, and the sum over keys is in their order. The last tile of keys of a query is the one on the diagonal.
//
// Per 128 x 128 scores, the five products take 2560 cycles of the tensor cores; shared memory gives or takes 320 KB,
// 2560 cycles too; the powers of two take 1024 cycles of their unit.
#include <algorithm>

#include "kernels/cuda/quad.cuh"
#include "kernels/cuda/ring.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/swizzled_tile.cuh"
#include "ops/attention/attention_passes.h"
#include "ops/attention/attention_sm90.h"

namespace burgeon::cuda {

namespace {

constexpr int kSize = 64;     // of a head
constexpr int kQueries = 64;  // of a step
constexpr int kStages = 4;
constexpr int kConsumers = 2 * kWarpgroup;
constexpr int kConsumerWarps = kConsumers / kWarpSize;
constexpr int kThreads = kWarpgroup + kConsumers;

// Sums of a tile of queries: accumulators of both warpgroups.
constexpr int kSums = kPassRows * kSize;
constexpr int kSharedSums = 2;  // tiles whose sums lie in shared memory

using Own = SwizzledTile<kPassRows, kSize, kQueries>;  // keys or values
using Tile = SwizzledTile<kQueries, kSize>;            // queries or dout
using Slopes = SwizzledTile<kPassRows, kPassRows>;     // rows are keys

struct Parts {
  using Ring = cuda::Ring<kStages, 2 * Tile::kBytes>;
  static constexpr int kOwn = Slopes::kBytes;  // keys and values of two tiles: one in use, one on its way
  static constexpr int kRing = kOwn + 4 * Own::kBytes;
  static constexpr int kRows = kRing + Ring::kBytes;  // of the queries of a stage: lse in base 2, then delta
  static constexpr int kRowBytes = 2 * kQueries * 4;
  static constexpr int kBarriers = kRows + kStages * kRowBytes;
  static constexpr int kSharedSumsAt = kBarriers + 48;
  static constexpr int kBytes = kSharedSumsAt + kSharedSums * kSums * 4;
  static_assert(kBytes <= 227 * 1024, "what a block can have");

  SharedAddress slopes;

  BURGEON_DEVICE Ring ring() const { return {slopes + kRing}; }
  BURGEON_DEVICE static int rows_at(int step) { return kRows + step % kStages * kRowBytes; }
  BURGEON_DEVICE SharedAddress keys(int turn) const { return slopes + kOwn + turn % 2 * 2 * Own::kBytes; }
  BURGEON_DEVICE SharedAddress own_full(int turn) const { return slopes + kBarriers + turn % 2 * 16; }
  BURGEON_DEVICE SharedAddress own_free(int turn) const { return own_full(turn) + 8; }
  BURGEON_DEVICE SharedAddress slopes_free() const { return slopes + kBarriers + 32; }

  BURGEON_DEVICE void init() const {
    ring().init(1 + kWarpSize, kConsumerWarps);
    for (int turn = 0; turn < 2; ++turn) {
      init_barrier(own_full(turn), 1);
      init_barrier(own_free(turn), kConsumerWarps);
    }
    init_barrier(slopes_free(), kConsumerWarps);
    fence_barriers();
  }
};

// Of a sequence.
BURGEON_DEVICE int tiles_of(const Heads& at) { return (at.sequence + kPassRows - 1) / kPassRows; }

// The queries that a tile of keys is seen by, 128 at a time: of all heads of a group, each from the diagonal on.
struct Walk {
  int first;  // tile
  int tiles;
  int group;
  int tile;
  int head = 0;

  BURGEON_DEVICE Walk(int key_tile, const Heads& at)
      : first(key_tile), tiles(tiles_of(at)), group(at.queries_per_kv_head()), tile(key_tile) {}
  BURGEON_DEVICE bool is_over() const { return head == group; }
  BURGEON_DEVICE bool is_diagonal() const { return tile == first; }
  BURGEON_DEVICE void advance() {
    if (++tile == tiles) {
      tile = first;
      ++head;
    }
  }
};

// call(b, g, key_tile) for each tile of keys of this block, in the order in which all of its threads take them.
template <class Call>
BURGEON_DEVICE void for_key_tiles(const Heads& at, int units, Call call) {
#pragma unroll 1
  for (int unit = block_x(); unit < units; unit += grid_x()) {
#pragma unroll 1
    for (int key_tile = 0; key_tile < tiles_of(at); ++key_tile) call(unit / at.kv_heads, unit % at.kv_heads, key_tile);
  }
}

// Orders the loads of tiles, by one thread.
BURGEON_DEVICE void load_tiles(const Parts& parts, const TensorMap& qkv, const TensorMap& dout, const Heads& at,
                               int units) {
  const auto ring = parts.ring();
  int turn = 0;
  int step = 0;
  for_key_tiles(at, units, [&](int b, int g, int key_tile) {
    wait_for_phase(parts.own_free(turn), turn / 2 % 2 ^ 1);
    const SharedAddress own_full = parts.own_full(turn);
    const SharedAddress keys = parts.keys(turn++);
    const int column = (at.heads + g) * kSize;
    arrive_expecting(own_full, 2 * Own::kBytes);
    Own::load(keys, qkv, column, key_tile * kPassRows, b, own_full);
    Own::load(keys + Own::kBytes, qkv, column + at.kv_heads * kSize, key_tile * kPassRows, b, own_full);
    for (Walk walk(key_tile, at); !walk.is_over(); walk.advance()) {
#pragma unroll 1
      for (int half = 0; half < 2; ++half, ++step) {
        const int row = walk.tile * kPassRows + half * kQueries;
        const int head = (g * walk.group + walk.head) * kSize;
        const SharedAddress full = ring.full(step);
        ring.wait_until_free(step);
        arrive_expecting(full, 2 * Tile::kBytes);
        Tile::load(ring.stage(step), qkv, head, row, b, full);
        Tile::load(ring.stage(step) + Tile::kBytes, dout, head, row, b, full);
      }
    }
  });
}

// Copies what there is of each query, by one warp.
BURGEON_DEVICE void load_rows(const Parts& parts, char* bytes, const float* lse, const float* delta, const Heads& at,
                              int units) {
  const auto ring = parts.ring();
  const int lane = thread_index() % kWarpSize;
  int step = 0;
  for_key_tiles(at, units, [&](int b, int g, int key_tile) {
    for (Walk walk(key_tile, at); !walk.is_over(); walk.advance()) {
      const int64_t head = at.row(b, g * walk.group + walk.head);
#pragma unroll 1
      for (int half = 0; half < 2; ++half, ++step) {
        float* const rows = reinterpret_cast<float*>(bytes + Parts::rows_at(step));
        ring.wait_until_free(step);
#pragma unroll
        for (int i = 0; i < kQueries; i += kWarpSize) {
          // The weight of a query that does not exist is 0.
          const int row = walk.tile * kPassRows + half * kQueries + i + lane;
          const bool there = row < at.sequence;
          rows[i + lane] = there ? lse[head + row] * kLog2E : INFINITY;
          rows[kQueries + i + lane] = there ? delta[head + row] : 0;
        }
        arrive(ring.full(step));
      }
    }
  });
}

BURGEON_KERNEL(kThreads, 1)
sm90_whole_attention_gradient_kernel(bfloat16* dqkv, BURGEON_TENSOR_MAP(qkv), BURGEON_TENSOR_MAP(dout),
                                     const float* lse, const float* delta, float* sums, Heads at, int units,
                                     Scale scale) {
  BURGEON_TILE_SHARED(bytes);
  const Parts parts{shared_address(bytes)};
  const auto ring = parts.ring();
  if (thread_index() == 0) parts.init();
  sync_threads();

  const int warpgroup = thread_index() / kWarpgroup;
  if (warpgroup == 0) {
    give_registers<40>();
    if (thread_index() == 0) load_tiles(parts, qkv, dout, at, units);
    if (thread_index() / kWarpSize == 1) load_rows(parts, bytes, lse, delta, at, units);
    return;
  }

  take_registers<232>();
  const int own = (warpgroup - 1) * 64;  // the first of its 64 keys, and of the 64 queries whose slopes it multiplies
  const int own_row = own + thread_index() % kWarpgroup / kWarpSize * 16;  // the first of the warp's
  // The sums that are added to most often, those of the last queries, lie in shared memory.
  const int count = tiles_of(at) * at.queries_per_kv_head();
  const int outside = count > kSharedSums ? count - kSharedSums : 0;
  const int mine = (thread_index() - kWarpgroup) * 4;
  float* const near_sums = reinterpret_cast<float*>(bytes + Parts::kSharedSumsAt) + mine;
  float* const far_sums = sums + static_cast<int64_t>(block_x()) * outside * kSums + mine;
  const auto sums_at = [&](const Walk& walk) {
    const int index = walk.tile * walk.group + walk.head;
    return index < outside ? far_sums + index * kSums : near_sums + (index - outside) * kSums;
  };
  const int64_t stride = at.qkv_stride();

  float dk[kSize / 8][4];
  float dv[kSize / 8][4];
  float dq[kSize / 8][4];
  float scores[kQueries / 8][4];
  float slopes[kQueries / 8][4];
  uint32_t left[kQueries / 16][4];  // weights, then their slopes
  int turn = 0;                     // of tiles of keys
  int step = 0;                     // of 64 queries
  int round = 0;                    // of two steps
  for_key_tiles(at, units, [&](int b, int g, int key_tile) {
    const auto keep_sums = [&](const Walk& walk) {
      if (walk.is_diagonal()) {
        store_rows(dqkv + at.query(b, g * walk.group + walk.head), stride, walk.tile * kPassRows + own, at.sequence, dq,
                   scale.natural);
      } else {
        float* const to = sums_at(walk);
#pragma unroll
        for (int n = 0; n < kSize / 8; ++n) store(to + n * kConsumers * 4, dq[n]);
      }
    };

    const SharedAddress keys = parts.keys(turn);
    uint32_t own_keys[kSize / 16][4];
    uint32_t own_values[kSize / 16][4];
    wait_for_phase(parts.own_full(turn), turn / 2 % 2);
#pragma unroll
    for (int k = 0; k < kSize; k += 16) {
      Own::load_left(own_keys[k / 16], keys, own_row, k);
      Own::load_left(own_values[k / 16], keys + Own::kBytes, own_row, k);
    }

    bool adds = false;  // to gradients of keys and values
#pragma unroll 1
    for (Walk walk(key_tile, at); !walk.is_over(); walk.advance()) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        ring.wait_until_full(step);
        const SharedAddress queries = ring.stage(step);
        const SharedAddress douts = queries + Tile::kBytes;
        begin_products(scores, own_keys);
#pragma unroll
        for (int k = 0; k < kSize; k += 16) {
          multiply_async<true>(scores, own_keys[k / 16], Tile::across(queries, 0, k), k > 0);
        }
        commit_products();
        if (half > 0) {
          wait_for_products<1>(left);  // of the step before
          ring.release(step - 1);
        }
        begin_products(slopes, own_values);
#pragma unroll
        for (int k = 0; k < kSize; k += 16) {
          multiply_async<true>(slopes, own_values[k / 16], Tile::across(douts, 0, k), k > 0);
        }
        commit_products();

        const float* const row_lse = reinterpret_cast<const float*>(bytes + Parts::rows_at(step));
        const float* const row_delta = row_lse + kQueries;
        wait_for_products<1>(scores);
#pragma unroll
        for (int n = 0; n < kQueries / 8; ++n) {
          float column_lse[2];
          load(column_lse, row_lse + n * 8 + quad_column(0));
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            scores[n][i] = exp2_fast(fused_multiply_add(scores[n][i], scale.binary, -column_lse[i % 2]));
          }
        }
        if (walk.is_diagonal()) {
#pragma unroll
          for (int n = 0; n < kQueries / 8; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
              const bool seen = half * kQueries + n * 8 + quad_column(i % 2) >= own + quad_row(i / 2);
              scores[n][i] = seen ? scores[n][i] : 0;
            }
          }
        }
        as_left(left, scores);
        begin_products(dv, left);
#pragma unroll
        for (int k = 0; k < kQueries; k += 16) {
          multiply_async<false>(dv, left[k / 16], Tile::down(douts, k, 0), adds || half > 0 || k > 0);
        }
        commit_products();
        wait_for_products<1>(slopes);
#pragma unroll
        for (int n = 0; n < kQueries / 8; ++n) {
          float column_delta[2];
          load(column_delta, row_delta + n * 8 + quad_column(0));
#pragma unroll
          for (int i = 0; i < 4; ++i) slopes[n][i] = scores[n][i] * (slopes[n][i] - column_delta[i % 2]);
        }
        wait_for_products<0>(dv, left);
        as_left(left, slopes);
        begin_products(dk, left);
#pragma unroll
        for (int k = 0; k < kQueries; k += 16) {
          multiply_async<false>(dk, left[k / 16], Tile::down(queries, k, 0), adds || half > 0 || k > 0);
        }
        commit_products();
        if (half == 0) wait_for_phase(parts.slopes_free(), round % 2 ^ 1);
#pragma unroll
        for (int k = 0; k < kQueries; k += 16) {
          Slopes::store_left(parts.slopes, own_row, half * kQueries + k, left[k / 16]);
        }
        ++step;
      }
      fence_tiles();
      if (key_tile > 0) {
        const float* const from = sums_at(walk);
#pragma unroll
        for (int n = 0; n < kSize / 8; ++n) load(dq[n], from + n * kConsumers * 4);
      }
      sync_some(1, kConsumers);
      begin_products(dq);
#pragma unroll
      for (int k = 0; k < kPassRows; k += 16) {
        multiply_async<false, false>(dq, Slopes::down(parts.slopes, k, own), Own::down(keys, k, 0),
                                     key_tile > 0 || k > 0);
      }
      commit_products();
      wait_for_products<0>(dk, left, dq);
      ring.release(step - 1);
      arrive_as_warp(parts.slopes_free());
      keep_sums(walk);
      adds = true;
      ++round;
    }
    arrive_as_warp(parts.own_free(turn));
    store_rows(dqkv + at.key(b, g), stride, key_tile * kPassRows + own, at.sequence, dk, scale.natural);
    store_rows(dqkv + at.value(b, g), stride, key_tile * kPassRows + own, at.sequence, dv, 1);
    ++turn;
  });
}

constexpr int64_t kMostUnits = 0x3fffffff;

}  // namespace

size_t sm90_whole_attention_sums(int64_t head_size) {
  return head_size == kSize ? static_cast<size_t>(kPassBlocks * (kMostPassTiles - kSharedSums) * kSums) : 0;
}

void launch_sm90_whole_attention_backward(Stream stream, bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv,
                                          const float* lse, const float* delta, float* sums, int64_t batch,
                                          const Heads& at) {
  const auto map = [&](const bfloat16* data, int64_t heads) {
    const int64_t stride = heads * kSize;
    return tensor_map(data, {stride, at.sequence, stride, batch, at.sequence * stride}, kQueries);
  };
  const int64_t units = batch * at.kv_heads;
  if (units == 0 || at.sequence == 0) return;
  if (units > kMostUnits) throw Error(ErrorCode::kCuda, "CUDA: attention has more than 2^30 - 1 heads of sequences");
  const int64_t blocks = std::min({units, kPassBlocks, int64_t{multiprocessor_count()}});
  launch(stream, {blocks}, kThreads, Parts::kBytes, sm90_whole_attention_gradient_kernel, dqkv,
         map(qkv, at.heads + 2 * at.kv_heads), map(dout, at.heads), lse, delta, sums, at, units, scale_of(kSize));
}

}  // namespace burgeon::cuda
