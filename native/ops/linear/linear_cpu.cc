// Packed, register-blocked products. Both operands are copied into panels the micro-kernel reads contiguously; packing
// is where the list of active rows is applied, so a sampled product is a smaller dense product with no gather of its
// own. Blocks are fixed, so each output sums in one order whatever the number of threads.
#include "ops/linear/linear.h"

#include "backend/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

namespace {

// A panel of B is kDepth x kTileCols floats and stays in the first-level cache (24 KB at AVX2); a task reads
// kTaskRows x kDepth of A (147 KB) from the second level.
constexpr int64_t kDepth = 384;
constexpr int64_t kTaskRows = 96;    // at most; a multiple of every kTileRows
constexpr int64_t kTaskCols = 192;   // at most; a multiple of every kTileCols
constexpr int64_t kBlockRows = 1536;  // packed at once; both blocks stay in the last-level cache
constexpr int64_t kBlockCols = 1536;
static_assert(kTaskRows % kTileRows == 0 && kTaskCols % kTileCols == 0);
static_assert(kBlockRows % kTaskRows == 0 && kBlockCols % kTaskCols == 0);

// Small products are cut finer, so that there is something for every thread, down to tasks of about a microsecond.
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kMinTaskWork = 100000;  // multiply-adds

struct TaskShape {
  int64_t rows;
  int64_t cols;
};

// A function of the product's shape alone; the order of summation does not depend on it.
TaskShape task_shape(int64_t m, int64_t n, int64_t depth) {
  TaskShape task{kTaskRows, kTaskCols};
  while (ceil_div(m, task.rows) * ceil_div(n, task.cols) < kWantedTasks && task.rows * task.cols * depth > kMinTaskWork) {
    if (task.cols > kTileCols && task.cols >= task.rows) {
      task.cols = ceil_div(task.cols / 2, kTileCols) * kTileCols;
    } else if (task.rows > kTileRows) {
      task.rows = ceil_div(task.rows / 2, kTileRows) * kTileRows;
    } else {
      break;
    }
  }
  return task;
}

// How the operands lie in memory. Panels are [depth][lanes]; lanes beyond the matrix are zero.

// Element (lane, k) at data[lane * stride + k]; lane l is row rows[l] where a list is given.
struct LaneRows {
  const float* data;
  int64_t stride;
  const int32_t* rows;
  template <int Lanes>
  void pack(float* panel, int64_t lane, int64_t lanes, int64_t k, int64_t depth) const {
    for (int64_t i = 0; i < Lanes; ++i) {
      if (i >= lanes) {
        for (int64_t d = 0; d < depth; ++d) panel[d * Lanes + i] = 0;
        continue;
      }
      const float* row = data + (rows ? rows[lane + i] : lane + i) * stride + k;
      for (int64_t d = 0; d < depth; ++d) panel[d * Lanes + i] = row[d];
    }
  }
};

// Element (lane, k) at data[k * stride + lane]; step k is row rows[k] where a list is given.
struct LaneColumns {
  const float* data;
  int64_t stride;
  const int32_t* rows;
  template <int Lanes>
  void pack(float* panel, int64_t lane, int64_t lanes, int64_t k, int64_t depth) const {
    for (int64_t d = 0; d < depth; ++d) {
      const float* row = data + (rows ? rows[k + d] : k + d) * stride + lane;
      float* out = panel + d * Lanes;
      if (lanes == Lanes) {
        for (int i = 0; i < Lanes; ++i) out[i] = row[i];
      } else {
        for (int64_t i = 0; i < Lanes; ++i) out[i] = i < lanes ? row[i] : 0;
      }
    }
  }
};

// What happens to a finished sum: out[i, j] = alpha * sum + bias_scale * bias[j] + residual[i, j], or out += alpha * sum.
struct Epilogue {
  float* out;
  int64_t stride;
  const int32_t* out_rows;  // row i of the product is row out_rows[i] of out
  float alpha;
  bool add;
  const float* bias;
  float bias_scale;
  const float* residual;
};

template <int Rows>
BURGEON_INLINE void finish(const Tile<Rows>& tile, const Epilogue& e, int64_t row, int64_t rows, int64_t col,
                           int64_t cols, bool first) {
  const Vec alpha = splat(e.alpha);
  for (int64_t i = 0; i < rows; ++i) {
    float* out = e.out + (e.out_rows ? e.out_rows[row + i] : row + i) * e.stride + col;
    for (int j = 0; j < kTileVecs; ++j) {
      const int64_t begin = j * kWidth;
      const int64_t left = cols - begin;
      if (left <= 0) break;
      const bool whole = left >= kWidth;
      const auto get = [&](const float* p) { return whole ? load(p) : load_first(p, left); };
      Vec value = alpha * tile.at[i][j];
      if (!first || e.add) {
        value += get(out + begin);
      } else {
        if (e.bias) value += e.bias_scale * get(e.bias + col + begin);
        if (e.residual) value += get(e.residual + (row + i) * e.stride + col + begin);
      }
      if (whole) {
        store(out + begin, value);
      } else {
        store_first(out + begin, value, left);
      }
    }
  }
}

// out (m, n) from A (m, depth) and B (depth, n).
template <class A, class B>
void multiply(OpContext& ctx, int64_t m, int64_t n, int64_t depth, const A& a, const B& b, const Epilogue& e) {
  float* packed_a = reinterpret_cast<float*>(ctx.shared_scratch);
  float* packed_b = packed_a + kBlockRows * kDepth;
  for (int64_t m0 = 0; m0 < m; m0 += kBlockRows) {
    const int64_t block_m = smaller(kBlockRows, m - m0);
    const int64_t panels_a = ceil_div(block_m, kTileRows);
    for (int64_t n0 = 0; n0 < n; n0 += kBlockCols) {
      const int64_t block_n = smaller(kBlockCols, n - n0);
      const int64_t panels_b = ceil_div(block_n, kTileCols);
      for (int64_t k0 = 0; k0 < depth; k0 += kDepth) {
        const int64_t k = smaller(kDepth, depth - k0);
        // A's block is the same for every block of columns when the depth is covered at once.
        const bool pack_a = n0 == 0 || depth > kDepth;
        const int64_t panels = smaller(8, ceil_div(panels_a + panels_b, kWantedTasks));  // per task
        const int64_t tasks_a = pack_a ? ceil_div(panels_a, panels) : 0;
        parallel_for(ctx, tasks_a + ceil_div(panels_b, panels), [&](int64_t task, int) {
          if (task < tasks_a) {
            for (int64_t p = task * panels; p < smaller((task + 1) * panels, panels_a); ++p) {
              a.template pack<kTileRows>(packed_a + p * kTileRows * k, m0 + p * kTileRows,
                                         smaller(kTileRows, block_m - p * kTileRows), k0, k);
            }
          } else {
            const int64_t first = (task - tasks_a) * panels;
            for (int64_t p = first; p < smaller(first + panels, panels_b); ++p) {
              b.template pack<kTileCols>(packed_b + p * kTileCols * k, n0 + p * kTileCols,
                                         smaller(kTileCols, block_n - p * kTileCols), k0, k);
            }
          }
        });
        const TaskShape shape = task_shape(block_m, block_n, k);
        const int64_t tasks_m = ceil_div(block_m, shape.rows);
        const int64_t tasks_n = ceil_div(block_n, shape.cols);
        parallel_for(ctx, tasks_m * tasks_n, [&](int64_t task, int) {
          const int64_t row_end = smaller((task % tasks_m + 1) * shape.rows, block_m);
          const int64_t col_end = smaller((task / tasks_m + 1) * shape.cols, block_n);
          for (int64_t j = task / tasks_m * shape.cols; j < col_end; j += kTileCols) {
            for (int64_t i = task % tasks_m * shape.rows; i < row_end; i += kTileRows) {
              const Tile<kTileRows> tile =
                  multiply_tile<kTileRows>(k, packed_a + i * k, 1, kTileRows, packed_b + j * k, kTileCols);
              finish(tile, e, m0 + i, smaller(kTileRows, row_end - i), n0 + j, smaller(kTileCols, col_end - j), k0 == 0);
            }
          }
        });
      }
    }
  }
  ctx.multiply_adds += m * n * depth;
}

}  // namespace

// Room for both packed blocks, and after them the gathered bias of `expand`.
size_t linear_scratch_bytes(int64_t wide) {
  return static_cast<size_t>((kBlockRows + kBlockCols) * kDepth + wide) * sizeof(float);
}

void linear_expand(OpContext& ctx, float* y, const float* x, const float* w, const float* bias, const int32_t* rows,
                   int64_t n, int64_t row_count, int64_t cols, float alpha) {
  if (bias && rows) {
    float* gathered = reinterpret_cast<float*>(ctx.shared_scratch) + (kBlockRows + kBlockCols) * kDepth;
    for (int64_t j = 0; j < row_count; ++j) gathered[j] = bias[rows[j]];
    bias = gathered;
  }
  multiply(ctx, n, row_count, cols, LaneRows{x, cols, nullptr}, LaneRows{w, cols, rows},
           Epilogue{y, row_count, nullptr, alpha, false, bias, 1.0f, nullptr});
}

void linear_contract(OpContext& ctx, float* y, const float* x, const float* w, const float* bias,
                     const float* residual, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols,
                     float alpha, float bias_scale) {
  multiply(ctx, n, cols, row_count, LaneRows{x, row_count, nullptr}, LaneColumns{w, cols, rows},
           Epilogue{y, cols, nullptr, alpha, false, bias, bias_scale, residual});
}

void linear_weight_gradient(OpContext& ctx, float* dw, const float* p, const float* q, const int32_t* rows, int64_t n,
                            int64_t row_count, int64_t cols, float alpha) {
  multiply(ctx, row_count, cols, n, LaneColumns{p, row_count, nullptr}, LaneColumns{q, cols, nullptr},
           Epilogue{dw, cols, rows, alpha, true, nullptr, 0.0f, nullptr});
}

void linear_bias_gradient(OpContext& ctx, float* db, const float* p, const int32_t* rows, int64_t n, int64_t row_count,
                          float alpha) {
  constexpr int64_t kChunk = 4 * kWidth;
  parallel_for(ctx, ceil_div(row_count, kChunk), [&](int64_t task, int) {
    const int64_t begin = task * kChunk;
    const int64_t count = smaller(kChunk, row_count - begin);
    Vec sums[4] = {};
    float tail[kChunk] = {};
    if (count == kChunk) {
      for (int64_t i = 0; i < n; ++i) {
        for (int v = 0; v < 4; ++v) sums[v] += load(p + i * row_count + begin + v * kWidth);
      }
      for (int v = 0; v < 4; ++v) store(tail + v * kWidth, sums[v]);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t c = 0; c < count; ++c) tail[c] += p[i * row_count + begin + c];
      }
    }
    for (int64_t c = 0; c < count; ++c) db[rows ? rows[begin + c] : begin + c] += alpha * tail[c];
  });
}

}  // namespace burgeon::BURGEON_ISA
