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

// What the blocks share out. A unit is a key and value head of a sequence.
struct Units {
  Heads at;
  int count;
  int tiles;  // of a sequence
  int group;  // query heads that share keys and values

  // call(b, g, key_tile) for each tile of keys of this block, in the order in which all of its threads take them.
  template <class Call>
  BURGEON_DEVICE void for_key_tiles(Call call) const {
#pragma unroll 1
    for (int unit = block_x(); unit < count; unit += grid_x()) {
      const int b = unit / at.kv_heads;
      const int g = unit % at.kv_heads;
#pragma unroll 1
      for (int key_tile = 0; key_tile < tiles; ++key_tile) call(b, g, key_tile);
    }
  }
};

// The queries that a tile of keys is seen by, 128 at a time: of all heads of a group, each from the diagonal on.
struct Walk {
  const Units& of;
  int first;  // tile
  int tile;
  int head = 0;

  BURGEON_DEVICE Walk(const Units& of, int key_tile) : of(of), first(key_tile), tile(key_tile) {}
  BURGEON_DEVICE bool is_over() const { return head == of.group; }
  BURGEON_DEVICE bool is_first() const { return tile == first && head == 0; }
  BURGEON_DEVICE bool is_last() const { return tile + 1 == of.tiles && head + 1 == of.group; }
  BURGEON_DEVICE bool is_diagonal() const { return tile == first; }
  BURGEON_DEVICE void advance() {
    if (++tile == of.tiles) {
      tile = first;
      ++head;
    }
  }
};

// Orders the loads of tiles, by one thread.
BURGEON_DEVICE void load_tiles(const Parts& parts, const TensorMap& qkv, const TensorMap& dout, const Units& units) {
  const Heads& at = units.at;
  const auto ring = parts.ring();
  int turn = 0;
  int step = 0;
  units.for_key_tiles([&](int b, int g, int key_tile) {
    wait_for_phase(parts.own_free(turn), turn / 2 % 2 ^ 1);
    const SharedAddress own_full = parts.own_full(turn);
    const SharedAddress keys = parts.keys(turn++);
    const int column = (at.heads + g) * kSize;
    arrive_expecting(own_full, 2 * Own::kBytes);
    Own::load(keys, qkv, column, key_tile * kPassRows, b, own_full);
    Own::load(keys + Own::kBytes, qkv, column + at.kv_heads * kSize, key_tile * kPassRows, b, own_full);
    for (Walk walk(units, key_tile); !walk.is_over(); walk.advance()) {
#pragma unroll 1
      for (int half = 0; half < 2; ++half, ++step) {
        const int row = walk.tile * kPassRows + half * kQueries;
        const int head = (g * units.group + walk.head) * kSize;
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
BURGEON_DEVICE void load_rows(const Parts& parts, char* bytes, const float* lse, const float* delta,
                              const Units& units) {
  const Heads& at = units.at;
  const auto ring = parts.ring();
  const int lane = thread_index() % kWarpSize;
  int step = 0;
  units.for_key_tiles([&](int b, int g, int key_tile) {
    for (Walk walk(units, key_tile); !walk.is_over(); walk.advance()) {
      const int head = static_cast<int>(at.row(b, g * units.group + walk.head));  // delta's launch counts in 32 bits
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
                                     const float* lse, const float* delta, float* sums, Units units, Scale scale) {
  const Heads& at = units.at;
  BURGEON_TILE_SHARED(bytes);
  const Parts parts{shared_address(bytes)};
  const auto ring = parts.ring();
  if (thread_index() == 0) parts.init();
  sync_threads();

  const int warpgroup = thread_index() / kWarpgroup;
  if (warpgroup == 0) {
    give_registers<24>();
    if (thread_index() == 0) load_tiles(parts, qkv, dout, units);
    if (thread_index() / kWarpSize == 1) load_rows(parts, bytes, lse, delta, units);
    return;
  }

  take_registers<240>();
  const int own = (warpgroup - 1) * 64;  // the first of its 64 keys, and of the 64 queries whose slopes it multiplies
  const int own_row = (thread_index() - kWarpgroup) / kWarpSize * 16;  // the first of the warp's 16
  // The sums that are added to most often, those of the last queries, lie in shared memory.
  const int count = units.tiles * units.group;
  const int outside = count > kSharedSums ? count - kSharedSums : 0;
  const auto sums_at = [&](const Walk& walk) {
    const int index = walk.tile * units.group + walk.head;
    const bool is_near = index >= outside;
    float* const all = is_near ? reinterpret_cast<float*>(bytes + Parts::kSharedSumsAt) : sums;
    const int place = is_near ? index - outside : block_x() * outside + index;
    return all + place * kSums + (thread_index() - kWarpgroup) * 4;
  };

  float dk[kSize / 8][4];
  float dv[kSize / 8][4];
  float dq[kSize / 8][4];
  float scores[kQueries / 8][4];
  float slopes[kQueries / 8][4];
  uint32_t left[kQueries / 16][4];  // weights, then their slopes
  int turn = 0;                     // of tiles of keys
  int step = 0;                     // of 64 queries, two of which are a round
  units.for_key_tiles([&](int b, int g, int key_tile) {
    const int stride = at.qkv_stride();
    const auto keep_sums = [&](const Walk& walk) {
      if (walk.is_diagonal()) {
        store_rows(dqkv + at.query(b, g * units.group + walk.head), stride, walk.tile * kPassRows + own, at.sequence,
                   dq, scale.natural);
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

    const auto multiply_keys = [&] {
      ring.wait_until_full(step);
      begin_products(scores, own_keys);
#pragma unroll
      for (int k = 0; k < kSize; k += 16) {
        multiply_async<true>(scores, own_keys[k / 16], Tile::across(ring.stage(step), 0, k), k > 0);
      }
      commit_products();
    };
    multiply_keys();
    wait_for_products<0>(scores);
#pragma unroll 1
    for (Walk walk(units, key_tile); !walk.is_over(); walk.advance()) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const SharedAddress queries = ring.stage(step);
        const SharedAddress douts = queries + Tile::kBytes;
        if (half > 0) {
          multiply_keys();
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
        if (half > 0) wait_for_products<1>(scores);
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
          multiply_async<false>(dv, left[k / 16], Tile::down(douts, k, 0), !walk.is_first() || half > 0 || k > 0);
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
          multiply_async<false>(dk, left[k / 16], Tile::down(queries, k, 0), !walk.is_first() || half > 0 || k > 0);
        }
        commit_products();
        if (half == 0) wait_for_phase(parts.slopes_free(), step / 2 % 2 ^ 1);
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
      const auto end_round = [&] {
        ring.release(step - 1);
        arrive_as_warp(parts.slopes_free());
        keep_sums(walk);
      };
      if (walk.is_last()) {
        wait_for_products<0>(dk, left, dq);
        end_round();
      } else {
        multiply_keys();  // of the next round, while this one ends
        wait_for_products<1>(dk, left, dq);
        end_round();
        wait_for_products<0>(scores);
      }
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
  const int64_t count = batch * at.kv_heads;
  if (count == 0 || at.sequence == 0) return;
  if (count > kMostUnits) throw Error(ErrorCode::kCuda, "CUDA: attention has more than 2^30 - 1 heads of sequences");
  const int64_t blocks = std::min({count, kPassBlocks, int64_t{multiprocessor_count()}});
  const int group = at.heads / at.kv_heads;
  const Units units{at, static_cast<int>(count), static_cast<int>(pass_tiles(at)) / group, group};
  launch(stream, {blocks}, kThreads, Parts::kBytes, sm90_whole_attention_gradient_kernel, dqkv,
         map(qkv, at.heads + 2 * at.kv_heads), map(dout, at.heads), lse, delta, sums, units, scale_of(kSize));
}

}  // namespace burgeon::cuda
