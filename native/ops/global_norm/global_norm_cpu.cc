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

// Spans of at most this many floats are summed in fp32, everything above in double. Without a list the matrix is one
// run of elements and a "row" is a span of it.
constexpr int64_t kSpan = 4096;

int64_t units_of(const SquaredRows<float>& part) {
  return part.rows ? part.row_count : ceil_div(part.row_count * part.cols, kSpan);
}

double task_sum(const SquaredRows<float>& part, int64_t begin, int64_t end) {
  const int64_t size = part.row_count * part.cols;
  double total = 0;
  for (int64_t unit = begin; unit < end; ++unit) {
    if (!part.rows) {
      total += span_sum(part.x + unit * kSpan, smaller(kSpan, size - unit * kSpan));
      continue;
    }
    const float* row = part.x + part.rows[unit] * part.cols;
    for (int64_t c = 0; c < part.cols; c += kSpan) total += span_sum(row + c, smaller(kSpan, part.cols - c));
  }
  return total;
}

// By one thread, or by all with `run`: the sums of tasks add up in the same order.
template <class Run>
double squares_of(const SquaredRows<float>& part, double* partials, Run run) {
  const int64_t units = units_of(part);
  const int64_t each = ceil_div(units, kMaxTasks);
  const int64_t tasks = ceil_div(units, each);
  run(tasks,
      [&](int64_t task, int) { partials[task] = task_sum(part, task * each, smaller(units, (task + 1) * each)); });
  double sum = 0;
  for (int64_t task = 0; task < tasks; ++task) sum += partials[task];
  return sum;
}

}  // namespace

size_t global_norm_scratch_bytes() { return kMaxTasks * sizeof(double); }

// Of many parts each thread takes whole ones.
template <class T>
void sum_of_squares(OpContext& ctx, double* sums, Parts<SquaredRows<Master<T>>> parts) {
  constexpr int64_t kMany = 32;
  if (parts.count >= kMany) {
    parallel_for(ctx, parts.count, [&](int64_t i, int) {
      double partials[kMaxTasks];
      sums[i] = squares_of(parts.first[i], partials, [](int64_t tasks, auto task) {
        for (int64_t t = 0; t < tasks; ++t) task(t, 0);
      });
    });
    return;
  }
  double* const partials = reinterpret_cast<double*>(ctx.shared_scratch);
  for (int64_t i = 0; i < parts.count; ++i) {
    sums[i] = squares_of(parts.first[i], partials, [&](int64_t tasks, auto task) { parallel_for(ctx, tasks, task); });
  }
}

template SumOfSquares<float, float> sum_of_squares<float>;
template SumOfSquares<bfloat16, float> sum_of_squares<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
