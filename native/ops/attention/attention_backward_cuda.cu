// Causal attention backward. The scores are made twice, so that every gradient has one owner and nothing is added
// atomically: a block of the first kernel has 128 keys of a key and value head and walks over the queries of all heads
// that read it, in order; a block of the second has 128 queries and walks over keys.
#include "kernels/cuda/runtime.h"
#include "ops/attention/attention_passes.h"
#include "ops/attention/attention_sm90.h"
#include "ops/attention/attention_tiles.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

// delta = dout . out per query and head. Eight lanes have a row of a head, so that they read all of a row of 64
// bfloat16 in one load each; a thread is in kDeltaRows such rows, whose loads are all under way before the first is
// used.
constexpr int kDeltaLanes = 8;
constexpr int kDeltaRows = 4;
constexpr int kDeltaGroups = kThreads / kDeltaLanes;
constexpr int kDeltaBlockRows = kDeltaGroups * kDeltaRows;

template <class T, int N>
BURGEON_KERNEL(kThreads, 4)
attention_delta_kernel(float* delta, const T* dout, const T* out, Heads at, uint32_t count) {
  const int lane = thread_index() % kDeltaLanes;
  const uint32_t first = static_cast<uint32_t>(block_x()) * kDeltaBlockRows + thread_index() / kDeltaLanes;
  float sums[kDeltaRows] = {};
  for (int begin = 0; begin < at.head_size; begin += kDeltaLanes * N) {
    const int d = begin + lane * N;
    float x[kDeltaRows][N];
    float y[kDeltaRows][N];
#pragma unroll
    for (int r = 0; r < kDeltaRows; ++r) {
      const uint32_t row = first + r * kDeltaGroups;
      const bool there = row < count && d < at.head_size;
      const int64_t from = static_cast<int64_t>(row) * at.head_size + d;
      load_or_zero(x[r], dout + from, there);
      load_or_zero(y[r], out + from, there);
    }
#pragma unroll
    for (int r = 0; r < kDeltaRows; ++r) {
#pragma unroll
      for (int i = 0; i < N; ++i) sums[r] += x[r][i] * y[r][i];
    }
  }
  // Lane r has the sum of row r to store, so that the division of its place is made once.
  float sum = 0;
#pragma unroll
  for (int r = 0; r < kDeltaRows; ++r) {
#pragma unroll
    for (int mask = kDeltaLanes / 2; mask > 0; mask /= 2) sums[r] += shuffle_xor(sums[r], mask);
    if (lane == r) sum = sums[r];
  }
  const uint32_t row = first + lane * kDeltaGroups;
  if (lane >= kDeltaRows || row >= count) return;
  const uint32_t token = row / at.heads;
  delta[at.row(token / at.sequence, row % at.heads) + token % at.sequence] = sum;
}

template <class T>
void launch_delta(Stream stream, float* delta, const T* dout, const T* out, int64_t rows, const Heads& at) {
  if (rows > 0x7fffffff) throw Error(ErrorCode::kCuda, "CUDA: attention has more than 2^31 - 1 rows of heads");
  with_vectors<T>(in_vectors(kVector<T>, at.head_size, dout, out), [&](auto lanes) {
    launch(stream, {ceil_div(rows, kDeltaBlockRows)}, kThreads, 0, attention_delta_kernel<T, decltype(lanes)::value>,
           delta, dout, out, at, rows);
  });
}

// In multiples of 16 bytes.
size_t delta_floats(int64_t batch, int64_t sequence, int64_t heads) {
  return static_cast<size_t>(ceil_div(batch * sequence * heads, 4)) * 4;
}

// A tile of queries, of their dout, lse and delta.
template <int kSize, int kQueries>
struct QueryStage {
  using Tile = SharedTile<kQueries, kSize, kThreads>;
  static constexpr int kBytes = 2 * Tile::kBytes + 2 * kQueries * 4;
  static constexpr int kDout = Tile::kBytes;  // where what lies
  static constexpr int kLse = 2 * Tile::kBytes;
  static constexpr int kDelta = kLse + kQueries * 4;
};

template <int kSize>
constexpr int kBackwardQueries = kSize == 64 ? 64 : 32;  // what registers allow beside two accumulators

// The scores transposed: rows are keys, of which the warp has 16, columns queries.
template <int kSize>
BURGEON_KERNEL(kThreads, 1)
attention_key_gradient_kernel(bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv, const float* lse,
                              const float* delta, Heads at, Scale scale) {
  constexpr int kQueries = kBackwardQueries<kSize>;
  using Keys = SharedTile<kOwnRows, kSize, kThreads>;
  using Stage = QueryStage<kSize, kQueries>;
  using Queries = typename Stage::Tile;
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress shared = shared_address(bytes);
  const SharedAddress keys = shared;
  const SharedAddress values = shared + Keys::kBytes;
  const SharedAddress stages = shared + 2 * Keys::kBytes;

  const int first = block_x() * kOwnRows;
  const int g = block_y();
  const int b = block_z();
  const int64_t stride = at.qkv_stride();
  const int own = thread_index() / kWarpSize * 16;
  // Tiles of queries from the one that sees the first key to the end, for each head that reads these keys.
  const int first_tile = first / kQueries;
  const int tiles = (at.sequence + kQueries - 1) / kQueries - first_tile;
  const int steps = tiles * static_cast<int>(at.queries_per_kv_head());

  const auto first_query = [&](int step) { return (first_tile + step % tiles) * kQueries; };
  const auto copy_step = [&](int step) {
    if (step < steps) {
      const SharedAddress stage = stages + step % 2 * Stage::kBytes;
      const int a = g * at.queries_per_kv_head() + step / tiles;
      const int row = first_query(step);
      Queries::copy(stage, qkv + at.query(b, a), stride, row, at.sequence, 0, kSize);
      Queries::copy(stage + Stage::kDout, dout + at.out(b, a), at.out_stride(), row, at.sequence, 0, kSize);
      if (thread_index() < kQueries) {
        const int i = row + thread_index();
        const int bytes = i < at.sequence ? 4 : 0;
        const int64_t from = at.row(b, a) + (bytes > 0 ? i : 0);
        copy_async<4>(stage + Stage::kLse + 4 * thread_index(), lse + from, bytes);
        copy_async<4>(stage + Stage::kDelta + 4 * thread_index(), delta + from, bytes);
      }
    }
    commit_copies();
  };
  Keys::copy(keys, qkv + at.key(b, g), stride, first, at.sequence, 0, kSize);
  Keys::copy(values, qkv + at.value(b, g), stride, first, at.sequence, 0, kSize);
  copy_step(0);

  float dk[kSize / 8][4] = {};
  float dv[kSize / 8][4] = {};
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<0>();
    sync_threads();
    copy_step(step + 1);
    const SharedAddress stage = stages + step % 2 * Stage::kBytes;
    const float* const row_lse = reinterpret_cast<const float*>(bytes + (stage - shared) + Stage::kLse);
    const float* const row_delta = row_lse + kQueries;
    const int row = first_query(step);
    const int diagonal = first - row + own;  // the column that the warp's first key is in
    const int left = at.sequence - row;
    float p[kQueries / 8][4] = {};
    multiply_rows<Keys, Queries, kSize>(p, keys, own, stage);
#pragma unroll
    for (int n = 0; n < kQueries / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = n * 8 + fragment_column(i);
        const bool seen = column >= diagonal + fragment_row(i) && column < left;
        p[n][i] = seen ? exp2_fast(fused_multiply_add(p[n][i], scale.binary, -row_lse[column] * kLog2E)) : 0;
      }
    }
    multiply_weights<Queries>(dv, p, stage + Stage::kDout);
    float dp[kQueries / 8][4] = {};
    multiply_rows<Keys, Queries, kSize>(dp, values, own, stage + Stage::kDout);
#pragma unroll
    for (int n = 0; n < kQueries / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        p[n][i] *= (dp[n][i] - row_delta[n * 8 + fragment_column(i)]) * scale.natural;
      }
    }
    multiply_weights<Queries>(dk, p, stage);
  }
  const float whole[2] = {1, 1};
  store_rows(dqkv + at.key(b, g), stride, first + own, at.sequence, dk, whole);
  store_rows(dqkv + at.value(b, g), stride, first + own, at.sequence, dv, whole);
}

template <int kSize>
BURGEON_KERNEL(kThreads, 1)
attention_query_gradient_kernel(bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv, const float* lse,
                                const float* delta, Heads at, Scale scale) {
  using Queries = SharedTile<kOwnRows, kSize, kThreads>;
  using Keys = SharedTile<kKeys, kSize, kThreads>;
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress shared = shared_address(bytes);
  const SharedAddress queries = shared;
  const SharedAddress douts = shared + Queries::kBytes;
  const SharedAddress stages = shared + 2 * Queries::kBytes;

  const int first = (grid_x() - 1 - block_x()) * kOwnRows;
  const int a = block_y();
  const int b = block_z();
  const int stride = at.qkv_stride();
  const bfloat16* const k = qkv + at.key(b, a / at.queries_per_kv_head());
  const int to_values = at.kv_heads * kSize;
  const int last = first + kOwnRows < at.sequence ? first + kOwnRows : at.sequence;
  const int tiles = (last + kKeys - 1) / kKeys;
  const int own = thread_index() / kWarpSize * 16;

  const auto copy_tile = [&](int tile) {
    if (tile < tiles) {
      const SharedAddress stage = stages + tile % 2 * 2 * Keys::kBytes;
      Keys::copy(stage, k, stride, tile * kKeys, at.sequence, 0, kSize);
      Keys::copy(stage + Keys::kBytes, k + to_values, stride, tile * kKeys, at.sequence, 0, kSize);
    }
    commit_copies();
  };
  Queries::copy(queries, qkv + at.query(b, a), stride, first, at.sequence, 0, kSize);
  Queries::copy(douts, dout + at.out(b, a), at.out_stride(), first, at.sequence, 0, kSize);
  copy_tile(0);

  float row_lse[2];
  float row_delta[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first + own + fragment_row(2 * half);
    row_lse[half] = row < at.sequence ? lse[at.row(b, a) + row] * kLog2E : 0;
    row_delta[half] = row < at.sequence ? delta[at.row(b, a) + row] : 0;
  }

  float dq[kSize / 8][4] = {};
#pragma unroll 1
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies<0>();
    sync_threads();
    copy_tile(tile + 1);
    const SharedAddress stage = stages + tile % 2 * 2 * Keys::kBytes;
    const int diagonal = first - tile * kKeys + own;
    float p[kKeys / 8][4] = {};
    float dp[kKeys / 8][4] = {};
    multiply_rows<Queries, Keys, kSize>(p, queries, own, stage);
    multiply_rows<Queries, Keys, kSize>(dp, douts, own, stage + Keys::kBytes);
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool seen = n * 8 + fragment_column(i) <= diagonal + fragment_row(i);
        const float weight = seen ? exp2_fast(fused_multiply_add(p[n][i], scale.binary, -row_lse[i / 2])) : 0;
        p[n][i] = weight * (dp[n][i] - row_delta[i / 2]) * scale.natural;
      }
    }
    multiply_weights<Keys>(dq, p, stage);
  }
  const float whole[2] = {1, 1};
  store_rows(dqkv + at.query(b, a), stride, first + own, at.sequence, dq, whole);
}

template <class T>
BURGEON_KERNEL(kThreads, 1)
plain_query_gradient_kernel(T* dqkv, const T* dout, const T* qkv, const float* lse, const float* delta, Heads at,
                            float scale) {
  BURGEON_DYNAMIC_SHARED(shared);
  const int lane = thread_index() % kWarpSize;
  float* const sums = reinterpret_cast<float*>(shared) + thread_index() / kWarpSize * at.head_size;
  const int64_t i = static_cast<int64_t>(block_x()) * kWarps + thread_index() / kWarpSize;
  if (i >= at.sequence) return;
  const int a = block_y();
  const int b = block_z();
  const int64_t stride = at.qkv_stride();
  const T* const q = qkv + at.query(b, a) + i * stride;
  const T* const d_i = dout + at.out(b, a) + i * at.out_stride();
  const T* const k = qkv + at.key(b, a / at.queries_per_kv_head());
  const T* const v = qkv + at.value(b, a / at.queries_per_kv_head());
  const int64_t row = at.row(b, a) + i;
  for (int64_t d = lane; d < at.head_size; d += kWarpSize) sums[d] = 0;
  for (int64_t begin = 0; begin <= i; begin += kWarpSize) {
    const int there = static_cast<int>(i + 1 - begin < kWarpSize ? i + 1 - begin : kWarpSize);
    float ds = 0;
    if (lane < there) {
      const int64_t j = (begin + lane) * stride;
      const float p = exp_fast(scale * dot(q, k + j, at.head_size) - lse[row]);
      ds = p * (dot(d_i, v + j, at.head_size) - delta[row]) * scale;
    }
    add_weighted_rows(sums, 1, ds, k + begin * stride, stride, there, at.head_size);
  }
  for (int64_t d = lane; d < at.head_size; d += kWarpSize) {
    dqkv[at.query(b, a) + i * stride + d] = narrow<T>(sums[d]);
  }
}

template <class T>
BURGEON_KERNEL(kThreads, 1)
plain_key_gradient_kernel(T* dqkv, const T* dout, const T* qkv, const float* lse, const float* delta, Heads at,
                          float scale) {
  BURGEON_DYNAMIC_SHARED(shared);
  const int lane = thread_index() % kWarpSize;
  float* const dk = reinterpret_cast<float*>(shared) + thread_index() / kWarpSize * 2 * at.head_size;
  float* const dv = dk + at.head_size;
  const int64_t j = static_cast<int64_t>(block_x()) * kWarps + thread_index() / kWarpSize;
  if (j >= at.sequence) return;
  const int g = block_y();
  const int b = block_z();
  const int64_t stride = at.qkv_stride();
  const T* const k = qkv + at.key(b, g) + j * stride;
  const T* const v = qkv + at.value(b, g) + j * stride;
  for (int64_t d = lane; d < 2 * at.head_size; d += kWarpSize) dk[d] = 0;
  sync_warp();  // a lane cleared what another reads
  for (int a = g * at.queries_per_kv_head(); a < (g + 1) * at.queries_per_kv_head(); ++a) {
    const T* const q = qkv + at.query(b, a);
    const T* const d_a = dout + at.out(b, a);
    for (int64_t begin = j; begin < at.sequence; begin += kWarpSize) {
      const int64_t left = at.sequence - begin;
      const int there = static_cast<int>(left < kWarpSize ? left : kWarpSize);
      float p = 0;
      float ds = 0;
      if (lane < there) {
        const int64_t i = begin + lane;
        const int64_t row = at.row(b, a) + i;
        p = exp_fast(scale * dot(q + i * stride, k, at.head_size) - lse[row]);
        ds = p * (dot(d_a + i * at.out_stride(), v, at.head_size) - delta[row]) * scale;
      }
      add_weighted_rows(dk, 1, ds, q + begin * stride, stride, there, at.head_size);
      add_weighted_rows(dv, 1, p, d_a + begin * at.out_stride(), at.out_stride(), there, at.head_size);
    }
  }
  for (int64_t d = lane; d < at.head_size; d += kWarpSize) {
    dqkv[at.key(b, g) + j * stride + d] = narrow<T>(dk[d]);
    dqkv[at.value(b, g) + j * stride + d] = narrow<T>(dv[d]);
  }
}

template <int kSize>
void launch_backward(Stream stream, bfloat16* dqkv, const bfloat16* dout, const bfloat16* qkv, const float* lse,
                     const float* delta, int64_t batch, const Heads& at) {
  constexpr size_t kOwnBytes = 2 * SharedTile<kOwnRows, kSize, kThreads>::kBytes;
  constexpr size_t kQueryBytes = 2 * QueryStage<kSize, kBackwardQueries<kSize>>::kBytes;
  constexpr size_t kKeyBytes = 4 * SharedTile<kKeys, kSize, kThreads>::kBytes;
  const Scale scale = scale_of(kSize);
  const int64_t tiles = ceil_div(at.sequence, kOwnRows);
  launch(stream, {tiles, at.kv_heads, batch}, kThreads, kOwnBytes + kQueryBytes, attention_key_gradient_kernel<kSize>,
         dqkv, dout, qkv, lse, delta, at, scale);
  launch(stream, {tiles, at.heads, batch}, kThreads, kOwnBytes + kKeyBytes, attention_query_gradient_kernel<kSize>,
         dqkv, dout, qkv, lse, delta, at, scale);
}

}  // namespace

// Delta, and behind it the sums of one pass, which a plan counts without a device.
size_t attention_backward_scratch_bytes(int64_t batch, int64_t sequence, int64_t heads, int64_t head_size) {
  return (delta_floats(batch, sequence, heads) + sm90_whole_attention_sums(head_size)) * sizeof(float);
}

template <class T>
void attention_backward(Stream stream, T* dqkv, const T* dout, const T* qkv, const T* out, const float* lse,
                        int64_t batch, int64_t sequence, int64_t heads, int64_t kv_heads, int64_t head_size,
                        void* scratch) {
  const Heads at = heads_of(sequence, heads, kv_heads, head_size);
  float* const delta = static_cast<float*>(scratch);
  launch_delta(stream, delta, dout, out, batch * sequence * heads, at);
  if constexpr (sizeof(T) == 2) {
    if (is_fast<T>(head_size, dqkv, dout, qkv)) {
      if (has_wgmma() && takes_one_pass(batch, at)) {
        float* const sums = delta + delta_floats(batch, sequence, heads);
        return launch_sm90_whole_attention_backward(stream, dqkv, dout, qkv, lse, delta, sums, batch, at);
      }
      if (has_wgmma()) return launch_sm90_attention_backward(stream, dqkv, dout, qkv, lse, delta, batch, at);
      if (head_size == 64) return launch_backward<64>(stream, dqkv, dout, qkv, lse, delta, batch, at);
      return launch_backward<128>(stream, dqkv, dout, qkv, lse, delta, batch, at);
    }
  }
  const size_t row_bytes = kWarps * head_size * sizeof(float);
  const float scale = scale_of(head_size).natural;
  launch(stream, {ceil_div(sequence, kWarps), kv_heads, batch}, kThreads, 2 * row_bytes, plain_key_gradient_kernel<T>,
         dqkv, dout, qkv, lse, delta, at, scale);
  launch(stream, {ceil_div(sequence, kWarps), heads, batch}, kThreads, row_bytes, plain_query_gradient_kernel<T>, dqkv,
         dout, qkv, lse, delta, at, scale);
}

template void attention_backward<float>(Stream, float*, const float*, const float*, const float*, const float*, int64_t,
                                        int64_t, int64_t, int64_t, int64_t, void*);
template void attention_backward<bfloat16>(Stream, bfloat16*, const bfloat16*, const bfloat16*, const bfloat16*,
                                           const float*, int64_t, int64_t, int64_t, int64_t, int64_t, void*);

}  // namespace burgeon::cuda
