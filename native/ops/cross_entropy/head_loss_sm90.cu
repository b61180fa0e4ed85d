// The loss of logits in the epilogue of the product that makes them, on devices of compute capability 9.0. Exponentials
// are relative to the logit of the target, which a dot product gives before: the sum of a row is then the exponential
// of its loss, at least 1, and fits bfloat16's exponent for any loss that is worth a gradient.
#include <cmath>

#include "kernels/cuda/exponentials.cuh"
#include "kernels/cuda/product_sm90.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/runtime.h"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

// The exponential of the target is 2^-24: there is as much room above it, for words far more likely than it, as below.
constexpr float kTarget = -24;

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpSize;

// A warp per row: base[i] = kTarget - log2(e) x[i] . w[targets[i]]. Where there is no target, every exponential is 0.
BURGEON_KERNEL(kThreads, 4)
target_logits_kernel(float* base, const bfloat16* x, const bfloat16* w, const int32_t* targets, int64_t n,
                     int64_t cols) {
  const int64_t row = static_cast<int64_t>(block_x()) * kWarps + thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  if (row >= n) return;
  const int32_t target = targets[row];
  if (target < 0) {
    if (lane == 0) base[row] = -INFINITY;
    return;
  }
  constexpr int N = kVector<bfloat16>;
  float sum = 0;
  for (int64_t c = lane * N; c < cols; c += kWarpSize * N) {
    float a[N];
    float b[N];
    load(a, x + row * cols + c);
    load(b, w + target * cols + c);
#pragma unroll
    for (int i = 0; i < N; ++i) sum = fused_multiply_add(a[i], b[i], sum);
  }
  sum = warp_sum(sum);
  if (lane == 0) base[row] = fused_multiply_add(-kLog2E, sum, kTarget);
}

// A block has 32 rows; warp w adds every eighth part from w on, the first warp what those have. Then the gradient of
// the target is the sum of the others, negative: the row adds up to 0 however its logit was rounded.
BURGEON_KERNEL(kThreads, 4)
finish_loss_kernel(float* losses, float* scales, bfloat16* gradient, const float* parts, const int32_t* targets,
                   int64_t n, int64_t part_count, int64_t stride, float gradient_scale) {
  BURGEON_SHARED(float, sums, kThreads);
  const int warp = thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  const int64_t row = static_cast<int64_t>(block_x()) * kWarpSize + lane;
  float sum = 0;
  if (row < n) {
    for (int64_t part = warp; part < part_count; part += kWarps) sum += parts[part * n + row];
  }
  sums[thread_index()] = sum;
  sync_threads();
  if (warp > 0 || row >= n) return;
  for (int w = 1; w < kWarps; ++w) sum += sums[w * kWarpSize + lane];
  const int32_t target = targets[row];
  const float own = exp2_fast(kTarget);
  losses[row] = target < 0 ? 0 : log_accurate((own + sum) / own);
  if (!gradient) return;
  scales[row] = target < 0 ? 0 : gradient_scale / (own + sum);
  if (target >= 0) gradient[row * stride + target] = narrow_bfloat16(-sum);
}

BURGEON_KERNEL(kElementThreads, 4)
scale_rows_kernel(bfloat16* y, const bfloat16* x, const float* scales, uint32_t count, uint32_t row_vectors) {
  constexpr int N = kVector<bfloat16>;
  const uint32_t index = element_index();
  if (index >= count) return;
  const int64_t at = static_cast<int64_t>(index) * N;
  const float scale = scales[index / row_vectors];
  float v[N];
  load(v, x + at);
#pragma unroll
  for (int i = 0; i < N; ++i) v[i] *= scale;
  store(y + at, v);
}

}  // namespace

bool fuses_head_loss(int64_t cols) { return has_wgmma() && cols % kVector<bfloat16> == 0; }

size_t head_loss_scratch_bytes(int64_t n, int64_t rows) {
  return static_cast<size_t>(n * (1 + ceil_div(rows, Exponentials::kPart))) * sizeof(float);
}

void head_loss(Stream stream, float* losses, float* scales, bfloat16* gradient, const bfloat16* x, const bfloat16* w,
               const int32_t* targets, int64_t n, int64_t vocab, int64_t rows, int64_t stride, int64_t cols,
               float gradient_scale, void* scratch) {
  float* const base = static_cast<float*>(scratch);
  float* const parts = base + n;
  if (gradient_scale == 0) gradient = nullptr;
  launch(stream, {ceil_div(n, kWarps)}, kThreads, 0, target_logits_kernel, base, x, w, targets, n, cols);
  launch_sm90_product<true, true>(stream, Operand<bfloat16>{x, cols}, Operand<bfloat16>{w, cols},
                                  product_shape(n, rows, cols), 1, static_cast<int>(ceil_div(cols, 64) * 64),
                                  Exponentials{gradient, stride, base, targets, parts, static_cast<int>(vocab)});
  launch(stream, {ceil_div(n, kWarpSize)}, kThreads, 0, finish_loss_kernel, losses, scales, gradient, parts, targets, n,
         ceil_div(rows, Exponentials::kPart), stride, gradient_scale);
}

void scale_rows(Stream stream, bfloat16* y, const bfloat16* x, const float* scales, int64_t n, int64_t cols) {
  const int64_t row_vectors = cols / kVector<bfloat16>;
  launch(stream, grid_of(n * row_vectors), kElementThreads, 0, scale_rows_kernel, y, x, scales, n * row_vectors,
         row_vectors);
}

}  // namespace burgeon::cuda
