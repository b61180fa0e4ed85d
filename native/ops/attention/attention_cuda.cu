// Causal attention without the matrix of scores (Dao, FlashAttention-2, 2023): tiles of it are made, used and dropped
// in registers. Heads of 64 and 128 in bfloat16 go to tensor cores (by wgmma: attention_sm90.cu); everything else to
// plain kernels with a warp per row. A block has 128 queries of a head, a warp 16 of them, and walks over tiles of 64
// keys.
#include "kernels/cuda/runtime.h"
#include "ops/attention/attention_sm90.h"
#include "ops/attention/attention_tiles.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

template <int kSize>
BURGEON_KERNEL(kThreads, kSize == 64 ? 2 : 1)
attention_kernel(bfloat16* out, float* lse, const bfloat16* qkv, Heads at, Scale scale) {
  using Queries = SharedTile<kOwnRows, kSize, kThreads>;
  using Keys = SharedTile<kKeys, kSize, kThreads>;
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress shared = shared_address(bytes);
  const SharedAddress queries = shared;
  const SharedAddress stages = shared + Queries::kBytes;  // two of keys and values each

  const int first = (grid_x() - 1 - block_x()) * kOwnRows;  // long walks begin early
  const int a = block_y();
  const int b = block_z();
  const int stride = at.qkv_stride();
  const bfloat16* const k = qkv + at.key(b, a / at.queries_per_kv_head());
  const int to_values = at.kv_heads * kSize;
  const int last = first + kOwnRows < at.sequence ? first + kOwnRows : at.sequence;
  const int tiles = (last + kKeys - 1) / kKeys;
  const int own = thread_index() / kWarpSize * 16;  // the warp's rows

  const auto copy_tile = [&](int tile) {
    if (tile < tiles) {
      const SharedAddress stage = stages + tile % 2 * 2 * Keys::kBytes;
      Keys::copy(stage, k, stride, tile * kKeys, at.sequence, 0, kSize);
      Keys::copy(stage + Keys::kBytes, k + to_values, stride, tile * kKeys, at.sequence, 0, kSize);
    }
    commit_copies();
  };
  Queries::copy(queries, qkv + at.query(b, a), stride, first, at.sequence, 0, kSize);
  copy_tile(0);

  float sums[kSize / 8][4] = {};
  float largest[2] = {-INFINITY, -INFINITY};
  float total[2] = {0, 0};  // of this thread's columns
#pragma unroll 1
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies<0>();
    sync_threads();
    copy_tile(tile + 1);
    const SharedAddress stage = stages + tile % 2 * 2 * Keys::kBytes;
    float scores[kKeys / 8][4] = {};
    multiply_rows<Queries, Keys, kSize>(scores, queries, own, stage);
    const int diagonal = first - tile * kKeys + own;  // the column that the warp's first query is in
    if (diagonal < kKeys) {
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (n * 8 + fragment_column(i) > diagonal + fragment_row(i)) scores[n][i] = -INFINITY;
        }
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = largest[half];
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) top = larger(top, larger(scores[n][2 * half], scores[n][2 * half + 1]));
      top = row_max(top);  // finite: the first tile has key 0, which every query sees
      const float shrink = exp2_fast((largest[half] - top) * scale.binary);
      largest[half] = top;
      total[half] *= shrink;
#pragma unroll
      for (int n = 0; n < kSize / 8; ++n) {
        sums[n][2 * half] *= shrink;
        sums[n][2 * half + 1] *= shrink;
      }
    }
    const float base[2] = {-largest[0] * scale.binary, -largest[1] * scale.binary};
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        scores[n][i] = exp2_fast(fused_multiply_add(scores[n][i], scale.binary, base[i / 2]));
        total[i / 2] += scores[n][i];
      }
    }
    multiply_weights<Keys>(sums, scores, stage + Keys::kBytes);
  }

  float inverse[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float sum = row_sum(total[half]);
    inverse[half] = 1.0f / sum;
    const int row = first + own + fragment_row(2 * half);
    if (thread_index() % 4 == 0 && row < at.sequence) {
      lse[at.row(b, a) + row] = largest[half] * scale.natural + log_accurate(sum);
    }
  }
  store_rows(out + at.out(b, a), at.out_stride(), first + own, at.sequence, sums, inverse);
}

template <class T>
BURGEON_KERNEL(kThreads, 1)
plain_attention_kernel(T* out, float* lse, const T* qkv, Heads at, float scale) {
  BURGEON_DYNAMIC_SHARED(shared);
  const int lane = thread_index() % kWarpSize;
  float* const sums = reinterpret_cast<float*>(shared) + thread_index() / kWarpSize * at.head_size;
  const int64_t i = static_cast<int64_t>(block_x()) * kWarps + thread_index() / kWarpSize;
  if (i >= at.sequence) return;
  const int a = block_y();
  const int b = block_z();
  const int64_t stride = at.qkv_stride();
  const T* const q = qkv + at.query(b, a) + i * stride;
  const T* const k = qkv + at.key(b, a / at.queries_per_kv_head());
  const T* const v = qkv + at.value(b, a / at.queries_per_kv_head());
  for (int64_t d = lane; d < at.head_size; d += kWarpSize) sums[d] = 0;
  float largest = -INFINITY;
  float total = 0;
  for (int64_t begin = 0; begin <= i; begin += kWarpSize) {
    const int there = static_cast<int>(i + 1 - begin < kWarpSize ? i + 1 - begin : kWarpSize);
    const float score = lane < there ? scale * dot(q, k + (begin + lane) * stride, at.head_size) : -INFINITY;
    const float top = warp_max(larger(largest, score));
    const float weight = exp_fast(score - top);
    const float shrink = exp_fast(largest - top);
    total = total * shrink + warp_sum(weight);
    add_weighted_rows(sums, shrink, weight, v + begin * stride, stride, there, at.head_size);
    largest = top;
  }
  for (int64_t d = lane; d < at.head_size; d += kWarpSize) {
    out[at.out(b, a) + i * at.out_stride() + d] = narrow<T>(sums[d] / total);
  }
  if (lane == 0) lse[at.row(b, a) + i] = largest + log_accurate(total);
}

template <int kSize>
void launch_forward(Stream stream, bfloat16* out, float* lse, const bfloat16* qkv, int64_t batch, const Heads& at) {
  constexpr size_t kBytes =
      SharedTile<kOwnRows, kSize, kThreads>::kBytes + 4 * SharedTile<kKeys, kSize, kThreads>::kBytes;
  launch(stream, {ceil_div(at.sequence, kOwnRows), at.heads, batch}, kThreads, kBytes, attention_kernel<kSize>, out,
         lse, qkv, at, scale_of(kSize));
}

}  // namespace

template <class T>
void attention_forward(Stream stream, T* out, float* lse, const T* qkv, int64_t batch, int64_t sequence, int64_t heads,
                       int64_t kv_heads, int64_t head_size) {
  const Heads at = heads_of(sequence, heads, kv_heads, head_size);
  if constexpr (sizeof(T) == 2) {
    if (is_fast<T>(head_size, out, qkv)) {
      if (has_wgmma()) return launch_sm90_attention(stream, out, lse, qkv, batch, at);
      if (head_size == 64) return launch_forward<64>(stream, out, lse, qkv, batch, at);
      return launch_forward<128>(stream, out, lse, qkv, batch, at);
    }
  }
  launch(stream, {ceil_div(sequence, kWarps), heads, batch}, kThreads, kWarps * head_size * sizeof(float),
         plain_attention_kernel<T>, out, lse, qkv, at, scale_of(head_size).natural);
}

template void attention_forward<float>(Stream, float*, float*, const float*, int64_t, int64_t, int64_t, int64_t,
                                       int64_t);
template void attention_forward<bfloat16>(Stream, bfloat16*, float*, const bfloat16*, int64_t, int64_t, int64_t,
                                          int64_t, int64_t);

}  // namespace burgeon::cuda
