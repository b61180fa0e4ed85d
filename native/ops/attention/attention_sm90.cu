// Causal attention forward on sm_90a (Dao, FlashAttention-2, 2023; Shah and others, FlashAttention-3, 2024). A block
// stays on its multiprocessor and takes one tile of 128 queries of a head after another (attention_order.h). A thread
// of the first warpgroup orders loads; two warpgroups have 64 queries each and walk over tiles of 128 keys, from the
// diagonal, which alone is masked, to the first. The scores of a tile are multiplied while the values of the one before
// are, and the weights stay in registers as the left operand of these.
//
// Of a tile, the products of scores and of values take as many cycles of the tensor cores as there are 64 x 128 x 16
// products, 64 each: 1024 for heads of 64, 2048 for heads of 128. The 16384 powers of two take 1024 cycles of their
// unit.
#include "kernels/cuda/quad.cuh"
#include "kernels/cuda/ring.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/swizzled_tile.cuh"
#include "kernels/cuda/vector.cuh"
#include "ops/attention/attention_order.h"
#include "ops/attention/attention_sm90.h"

namespace burgeon::cuda {

namespace {

constexpr int kRows = 128;  // of a tile: queries, keys or values
constexpr int kThreads = 3 * kWarpgroup;
constexpr int kConsumerWarps = 2 * kWarpgroup / kWarpSize;

// Tiles of keys and values follow each other in one ring, in the order in which they are used: keys 0, keys 1, values
// 0, keys 2, values 1 and so on.
template <int kSize>
struct Parts {
  using Tile = SwizzledTile<kRows, kSize>;
  using Ring = cuda::Ring<kSize == 64 ? 8 : 4, Tile::kBytes>;
  static constexpr int kBytes = Tile::kBytes + Ring::kBytes + 16;
};

struct Unit {
  int tile;
  int head;
  int batch;
};

// call(unit, round) for each unit of this block.
template <class Call>
BURGEON_DEVICE void for_units(const TileOrder& order, int heads, Call call) {
  for (int round = 0;; ++round) {
    const int index = TileOrder::index_at(round, block_x(), grid_x());
    if (index >= order.count()) return;
    const TileOrder::Unit unit = order[index];
    call(Unit{unit.tile, unit.pair % heads, unit.pair / heads}, round);
  }
}

// The softmax of rows as it grows tile by tile, in base 2: of a thread's two rows the largest score, and the sum of the
// weights of its own columns.
struct Softmax {
  float largest[2] = {-INFINITY, -INFINITY};
  float total[2] = {0, 0};

  // Makes weights of scores; what came before is to be multiplied by `shrink`.
  template <int N>
  BURGEON_DEVICE void add(float (&scores)[N][4], float (&shrink)[2], float scale) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = largest[half];
#pragma unroll
      for (int n = 0; n < N; ++n) top = larger(top, larger(scores[n][2 * half], scores[n][2 * half + 1]));
      top = row_max(top);  // finite: the first tile has the query's own key
      shrink[half] = exp2_fast((largest[half] - top) * scale);
      largest[half] = top;
      const float base = -top * scale;
      float sum = 0;
#pragma unroll
      for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[n][i] = exp2_fast(fused_multiply_add(scores[n][i], scale, base));
          sum += scores[n][i];
        }
      }
      total[half] = total[half] * shrink[half] + sum;
    }
  }
};

template <int kSize>
BURGEON_KERNEL(kThreads, 1)
sm90_attention_kernel(bfloat16* out, float* lse, BURGEON_TENSOR_MAP(qkv), Heads at, TileOrder order, Scale scale) {
  using Tile = typename Parts<kSize>::Tile;
  BURGEON_TILE_SHARED(bytes);
  const SharedAddress queries = shared_address(bytes);
  const typename Parts<kSize>::Ring ring{queries + Tile::kBytes};
  const SharedAddress full_queries = ring.shared + Parts<kSize>::Ring::kBytes;
  const SharedAddress free_queries = full_queries + 8;
  if (thread_index() == 0) {
    ring.init(1, kConsumerWarps);
    init_barrier(full_queries, 1);
    init_barrier(free_queries, kConsumerWarps);
    fence_barriers();
  }
  sync_threads();

  const int warpgroup = thread_index() / kWarpgroup;
  int step = 0;
  if (warpgroup == 0) {
    give_registers<24>();
    if (thread_index() != 0) return;
    for_units(order, at.heads, [&](const Unit& unit, int round) {
      const int keys = (at.heads + unit.head / at.queries_per_kv_head()) * kSize;
      const int values = keys + at.kv_heads * kSize;
      const auto load = [&](int column, int tile) {
        ring.wait_until_free(step);
        arrive_expecting(ring.full(step), Tile::kBytes);
        Tile::load(ring.stage(step), qkv, column, tile * kRows, unit.batch, ring.full(step));
        ++step;
      };
      wait_for_phase(free_queries, round % 2 ^ 1);
      arrive_expecting(full_queries, Tile::kBytes);
      Tile::load(queries, qkv, unit.head * kSize, unit.tile * kRows, unit.batch, full_queries);
      load(keys, unit.tile);
      for (int tile = unit.tile - 1; tile >= 0; --tile) {
        load(keys, tile);
        load(values, tile + 1);
      }
      load(values, 0);
    });
    return;
  }

  take_registers<240>();
  const int own = (warpgroup - 1) * 64;
  for_units(order, at.heads, [&](const Unit& unit, int round) {
    float sums[kSize / 8][4];
    float scores[kRows / 8][4];
    uint32_t weights[kRows / 16][4];
    float shrink[2];
    Softmax softmax;

    const auto multiply_keys = [&](int s) {
#pragma unroll
      for (int k = 0; k < kSize; k += 16) {
        multiply_async<true, true>(scores, Tile::across(queries, own, k), Tile::across(ring.stage(s), 0, k), k > 0);
      }
      commit_products();
    };
    const auto multiply_values = [&](int s, bool adds) {
#pragma unroll
      for (int k = 0; k < kRows; k += 16) {
        multiply_async<false>(sums, weights[k / 16], Tile::down(ring.stage(s), k, 0), adds || k > 0);
      }
      commit_products();
    };

    wait_for_phase(full_queries, round % 2);
    ring.wait_until_full(step);
    begin_products(scores);
    multiply_keys(step);
    wait_for_products<0>(scores);
    ring.release(step++);
#pragma unroll
    for (int n = 0; n < kRows / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (n * 8 + quad_column(i % 2) > own + quad_row(i / 2)) scores[n][i] = -INFINITY;
      }
    }
    softmax.add(scores, shrink, scale.binary);
    as_left(weights, scores);

#pragma unroll 1
    for (int tile = unit.tile - 1; tile >= 0; --tile) {
      ring.wait_until_full(step);
      begin_products(scores);
      multiply_keys(step);
      ring.wait_until_full(step + 1);
      begin_products(sums, weights);
      multiply_values(step + 1, tile < unit.tile - 1);
      wait_for_products<1>(scores);
      ring.release(step);
      softmax.add(scores, shrink, scale.binary);
      wait_for_products<0>(sums, weights);
      ring.release(step + 1);
      step += 2;
#pragma unroll
      for (int n = 0; n < kSize / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[n][i] *= shrink[i / 2];
      }
      as_left(weights, scores);
    }
    arrive_as_warp(free_queries);
    ring.wait_until_full(step);
    begin_products(sums, weights);
    multiply_values(step, unit.tile > 0);
    wait_for_products<0>(sums, weights);
    ring.release(step++);

    const int first = unit.tile * kRows + own;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = first + quad_row(half);
      const float total = row_sum(softmax.total[half]);
      const float inverse = 1.0f / total;
      if (thread_index() % 4 == 0 && row < at.sequence) {
        lse[at.row(unit.batch, unit.head) + row] = softmax.largest[half] * scale.natural + log_accurate(total);
      }
      bfloat16* const to = out + at.out(unit.batch, unit.head) + static_cast<int64_t>(row) * at.out_stride();
#pragma unroll
      for (int n = 0; n < kSize / 8; n += 4) {
        float v[8];
        const int column = quad_columns(v, sums, n, half);
#pragma unroll
        for (float& x : v) x *= inverse;
        if (row < at.sequence) store(to + column, v);
      }
    }
  });
}

template <int kSize>
void launch_of_size(Stream stream, bfloat16* out, float* lse, const bfloat16* qkv, int64_t batch, const Heads& at) {
  const int64_t stride = static_cast<int64_t>(at.heads + 2 * at.kv_heads) * kSize;
  const TensorShape shape{stride, at.sequence, stride, batch, at.sequence * stride};
  const int64_t tiles = ceil_div(at.sequence, kRows);
  const int64_t count = tiles * at.heads * batch;
  if (count == 0) return;
  if (count > 0x3fffffff) throw Error(ErrorCode::kCuda, "CUDA: attention has more than 2^30 - 1 tiles");
  const int blocks = static_cast<int>(count < multiprocessor_count() ? count : multiprocessor_count());
  // Half of the cache, as queries and results pass through it too.
  const int64_t kept = l2_bytes() / 2 / (int64_t{4} * kSize * at.sequence);
  const int sharing = at.heads / at.kv_heads;
  const int64_t most = kept < at.kv_heads * batch ? kept * sharing : at.heads * batch;
  const TileOrder order =
      tile_order(static_cast<int>(tiles), static_cast<int>(at.heads * batch), static_cast<int>(most), sharing, blocks);
  launch(stream, {blocks}, kThreads, Parts<kSize>::kBytes, sm90_attention_kernel<kSize>, out, lse,
         tensor_map(qkv, shape, kRows), at, order, scale_of(kSize));
}

}  // namespace

void launch_sm90_attention(Stream stream, bfloat16* out, float* lse, const bfloat16* qkv, int64_t batch,
                           const Heads& at) {
  if (at.head_size == 64) {
    launch_of_size<64>(stream, out, lse, qkv, batch, at);
  } else {
    launch_of_size<128>(stream, out, lse, qkv, batch, at);
  }
}

}  // namespace burgeon::cuda
