// One pass over memory each: a row is read once into cache, its statistics taken, and written.
#include "kernels/cpu/simd.h"
#include "ops/norm/norm.h"

namespace burgeon::BURGEON_ISA {

namespace {

constexpr int64_t kRowsPerTask = 32;

// Parameter gradients are summed per chunk of rows and then over chunks; the number of chunks is fixed by n alone.
constexpr int64_t kMaxChunks = 32;
int64_t rows_per_chunk(int64_t n) { return larger(16, ceil_div(n, kMaxChunks)); }

// One row of LayerNorm, or where not Centred of RMSNorm.
template <bool Centred, class T>
BURGEON_INLINE void forward_row(T* out, float* mean, float* rstd, const float* row, const float* weight,
                                const float* bias, int64_t width, float epsilon) {
  const int64_t whole = width / kWidth * kWidth;
  float average = 0;
  if (Centred) {
    Vec sums = {};
    for (int64_t c = 0; c < whole; c += kWidth) sums += load(row + c);
    float sum = sum_lanes(sums);
    for (int64_t c = whole; c < width; ++c) sum += row[c];
    average = sum / static_cast<float>(width);
  }
  Vec squares = {};
  for (int64_t c = 0; c < whole; c += kWidth) {
    const Vec centred = load(row + c) - average;
    squares += centred * centred;
  }
  float square = sum_lanes(squares);
  for (int64_t c = whole; c < width; ++c) square += (row[c] - average) * (row[c] - average);
  const float scale = 1.0f / __builtin_sqrtf(square / static_cast<float>(width) + epsilon);
  for (int64_t c = 0; c < whole; c += kWidth) {
    Vec value = (load(row + c) - average) * scale * load(weight + c);
    if (Centred) value += load(bias + c);
    store(out + c, value);
  }
  for (int64_t c = whole; c < width; ++c) {
    store_one(out + c, (row[c] - average) * scale * weight[c] + (Centred ? bias[c] : 0));
  }
  if (Centred) *mean = average;
  *rstd = scale;
}

// One row of the gradient; the sums of the parameter gradients, and of the gradient unless that is null, grow by the
// row's share.
template <bool Centred, class T>
BURGEON_INLINE void backward_row(float* out, T* branch, float* dweight_sum, float* dbias_sum, float* dshift_sum,
                                 const float* grad, const float* row, float average, float scale, const float* weight,
                                 int64_t width) {
  const int64_t whole = width / kWidth * kWidth;
  Vec sums_g = {};
  Vec sums_gh = {};
  for (int64_t c = 0; c < whole; c += kWidth) {
    const Vec h = (load(row + c) - average) * scale;
    const Vec g = load(grad + c) * load(weight + c);
    if (Centred) sums_g += g;
    sums_gh += g * h;
    store(dweight_sum + c, load(dweight_sum + c) + load(grad + c) * h);
    if (Centred) store(dbias_sum + c, load(dbias_sum + c) + load(grad + c));
  }
  float sum_g = Centred ? sum_lanes(sums_g) : 0;
  float sum_gh = sum_lanes(sums_gh);
  for (int64_t c = whole; c < width; ++c) {
    const float h = (row[c] - average) * scale;
    if (Centred) sum_g += grad[c] * weight[c];
    sum_gh += grad[c] * weight[c] * h;
    dweight_sum[c] += grad[c] * h;
    if (Centred) dbias_sum[c] += grad[c];
  }
  const float average_g = sum_g / static_cast<float>(width);
  const float average_gh = sum_gh / static_cast<float>(width);
  for (int64_t c = 0; c < whole; c += kWidth) {
    const Vec h = (load(row + c) - average) * scale;
    const Vec g = load(grad + c) * load(weight + c);
    const Vec value = load(out + c) + scale * (g - average_g - h * average_gh);
    store(out + c, value);
    if (branch) store(branch + c, value);
    if (dshift_sum) store(dshift_sum + c, load(dshift_sum + c) + value);
  }
  for (int64_t c = whole; c < width; ++c) {
    const float h = (row[c] - average) * scale;
    out[c] += scale * (grad[c] * weight[c] - average_g - h * average_gh);
    if (branch) store_one(branch + c, out[c]);
    if (dshift_sum) dshift_sum[c] += out[c];
  }
}

}  // namespace

size_t norm_scratch_bytes(int64_t width) { return static_cast<size_t>(kMaxChunks * 3 * width) * sizeof(float); }

template <class T>
void norm_forward(OpContext& ctx, T* y, Master<T>* mean, Master<T>* rstd, const float* x, const Master<T>* weight,
                  const Master<T>* bias, int64_t n, int64_t width, Master<T> epsilon) {
  parallel_for(ctx, ceil_div(n, kRowsPerTask), [&](int64_t task, int) {
    for (int64_t i = task * kRowsPerTask; i < smaller(n, (task + 1) * kRowsPerTask); ++i) {
      const float* row = x + i * width;
      if (i + 1 < n) prefetch_row(row + width, width);
      if (mean) {
        forward_row<true>(y + i * width, mean + i, rstd + i, row, weight, bias, width, epsilon);
      } else {
        forward_row<false>(y + i * width, nullptr, rstd + i, row, weight, nullptr, width, epsilon);
      }
    }
  });
}

template <class T>
void norm_backward(OpContext& ctx, float* dx, T* branch, Master<T>* dweight, Master<T>* dbias, Master<T>* dshift,
                   Master<T> shift_scale, const float* dy, const float* x, const Master<T>* mean, const Master<T>* rstd,
                   const Master<T>* weight, int64_t n, int64_t width) {
  const int64_t chunk_rows = rows_per_chunk(n);
  const int64_t chunks = ceil_div(n, chunk_rows);
  float* partials = reinterpret_cast<float*>(ctx.shared_scratch);
  parallel_for(ctx, chunks, [&](int64_t chunk, int) {
    float* dweight_sum = partials + chunk * 3 * width;
    float* dbias_sum = dweight_sum + width;
    float* dshift_sum = dshift ? dbias_sum + width : nullptr;
    for (int64_t c = 0; c < 3 * width; ++c) dweight_sum[c] = 0;
    for (int64_t i = chunk * chunk_rows; i < smaller(n, (chunk + 1) * chunk_rows); ++i) {
      const float* row = x + i * width;
      const float* grad = dy + i * width;
      float* out = dx + i * width;
      T* rounded = branch ? branch + i * width : nullptr;
      if (i + 1 < n) {
        prefetch_row(row + width, width);
        prefetch_row(grad + width, width);
        prefetch_row<true>(out + width, width);
      }
      if (mean) {
        backward_row<true>(out, rounded, dweight_sum, dbias_sum, dshift_sum, grad, row, mean[i], rstd[i], weight,
                           width);
      } else {
        backward_row<false>(out, rounded, dweight_sum, dbias_sum, dshift_sum, grad, row, 0, rstd[i], weight, width);
      }
    }
  });
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const float* sums = partials + chunk * 3 * width;
    for (int64_t c = 0; c < width; ++c) dweight[c] += sums[c];
    for (int64_t c = 0; c < width && mean; ++c) dbias[c] += sums[width + c];
    for (int64_t c = 0; c < width && dshift; ++c) dshift[c] += shift_scale * sums[2 * width + c];
  }
}

template NormForward<float, float> norm_forward<float>;
template NormForward<bfloat16, float> norm_forward<bfloat16>;
template NormBackward<float, float> norm_backward<float>;
template NormBackward<bfloat16, float> norm_backward<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
