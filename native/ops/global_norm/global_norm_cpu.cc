#include "core/bfloat16.h"
#include "kernels/cpu/simd.h"
#include "ops/global_norm/global_norm.h"

namespace burgeon::BURGEON_ISA {

namespace {

constexpr int64_t kMaxTasks = 256;

double span_sum(const float* x, int64_t count) {
  Vec sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kWidth <= count; i += 4 * kWidth) {
    for (int s = 0; s < 4; ++s) {
      const Vec value = load(x + i + s * kWidth);
      sums[s] += value * value;
    }
  }
  double total = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < count; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

double squares_of(OpContext& ctx, const SquaredRows<float>& part) {
  // Spans of at most this many floats are summed in fp32, everything above in double. Without a list the matrix is one
  // run of elements and a "row" is a span of it.
  constexpr int64_t kSpan = 4096;
  const float* x = part.x;
  const int32_t* rows = part.rows;
  const int64_t cols = part.cols;
  const int64_t size = part.row_count * cols;
  const int64_t units = rows ? part.row_count : ceil_div(size, kSpan);
  const int64_t units_per_task = ceil_div(units, kMaxTasks);
  const int64_t tasks = ceil_div(units, units_per_task);
  double* partials = reinterpret_cast<double*>(ctx.shared_scratch);
  parallel_for(ctx, tasks, [&](int64_t task, int) {
    double total = 0;
    for (int64_t unit = task * units_per_task; unit < smaller(units, (task + 1) * units_per_task); ++unit) {
      if (!rows) {
        total += span_sum(x + unit * kSpan, smaller(kSpan, size - unit * kSpan));
        continue;
      }
      const float* row = x + rows[unit] * cols;
      for (int64_t c = 0; c < cols; c += kSpan) total += span_sum(row + c, smaller(kSpan, cols - c));
    }
    partials[task] = total;
  });
  double sum = 0;
  for (int64_t task = 0; task < tasks; ++task) sum += partials[task];
  return sum;
}

}  // namespace

size_t global_norm_scratch_bytes() { return kMaxTasks * sizeof(double); }

template <class T>
void sum_of_squares(OpContext& ctx, double* sums, Parts<SquaredRows<Master<T>>> parts) {
  for (int64_t i = 0; i < parts.count; ++i) sums[i] = squares_of(ctx, parts.first[i]);
}

template SumOfSquares<float, float> sum_of_squares<float>;
template SumOfSquares<bfloat16, float> sum_of_squares<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
