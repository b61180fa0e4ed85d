// Packed, register-blocked matrix products: out (m, n) from A (m, depth) and B (depth, n). Both operands are copied into
// panels the micro-kernel reads contiguously; packing is where the list of active rows is applied and float32 becomes
// bfloat16, so a sampled product is a smaller dense product with no gather of its own. Blocks are fixed by the shape, so
// each output sums in one order whatever the number of threads.
#pragma once

#include "backend/cpu/gelu.h"
#include "backend/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

// Units of depth packed at once. A panel of A (18 KB with AVX-512) stays in the first-level cache while the panels of B of
// a task (295 KB) pass by it from the second level, once per panel of A.
constexpr int64_t kBlockUnits = 384;
constexpr int64_t kTaskRows = 96;     // at most; a multiple of every kTileRows
constexpr int64_t kTaskCols = 192;    // at most; a multiple of every kTileCols
constexpr int64_t kBlockRows = 1536;  // packed at once; both blocks stay in the last-level cache
constexpr int64_t kBlockCols = 1536;
static_assert(kTaskRows % kTileRows == 0 && kTaskCols % kTileCols == 0);
static_assert(kBlockRows % kTaskRows == 0 && kBlockCols % kTaskCols == 0);

// Small products are cut finer, so that there is something for every thread, down to tasks of about a microsecond.
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kMinTaskWork = 100000;  // multiply-adds

// Scratch of a product: both packed blocks, and after them the gathered bias.
constexpr int64_t kPackedFloats = (kBlockRows + kBlockCols) * kBlockUnits;
BURGEON_INLINE size_t product_scratch_bytes(int64_t row_count) {
  return static_cast<size_t>(kPackedFloats + row_count) * sizeof(float);
}

// The bias of the active rows side by side.
BURGEON_INLINE const float* gather_bias(OpContext& ctx, const float* bias, const int32_t* rows, int64_t row_count) {
  if (!bias || !rows) return bias;
  float* gathered = reinterpret_cast<float*>(ctx.shared_scratch) + kPackedFloats;
  for (int64_t j = 0; j < row_count; ++j) gathered[j] = bias[rows[j]];
  return gathered;
}

struct TaskShape {
  int64_t rows;
  int64_t cols;
};

// A function of the product's shape alone; the order of summation does not depend on it.
inline TaskShape task_shape(int64_t m, int64_t n, int64_t depth) {
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

enum class Activation { kNone, kGelu, kGeluSlope };

// What happens to a finished sum: out[i, j] = alpha * sum + bias_scale * bias[j] + residual[i, j], or out += alpha * sum.
// kGelu also assigns activated = gelu(out); kGeluSlope multiplies by gelu'(pre) last.
struct Epilogue {
  float* out;
  int64_t stride;
  const int32_t* out_rows = nullptr;  // row i of the product is row out_rows[i] of out
  float alpha = 1;
  bool add = false;
  const float* bias = nullptr;
  float bias_scale = 1;
  const float* residual = nullptr;
  float* activated = nullptr;
  const float* pre = nullptr;
};

template <Activation activation, int Rows>
BURGEON_INLINE void finish(const Tile<Rows>& tile, const Epilogue& e, int64_t row, int64_t rows, int64_t col,
                           int64_t cols, bool first, bool last) {
  const Vec alpha = splat(e.alpha);
#pragma GCC unroll 16
  for (int64_t i = 0; i < Rows; ++i) {
    if (i >= rows) break;
    const int64_t offset = (e.out_rows ? e.out_rows[row + i] : row + i) * e.stride + col;
#pragma GCC unroll 4
    for (int j = 0; j < kTileVecs; ++j) {
      const int64_t begin = j * kWidth;
      const int64_t left = cols - begin;
      if (left <= 0) break;
      const auto get = [&](const float* p) { return left >= kWidth ? load(p + begin) : load_first(p + begin, left); };
      const auto put = [&](float* p, Vec v) {
        if (left >= kWidth) {
          store(p + begin, v);
        } else {
          store_first(p + begin, v, left);
        }
      };
      Vec value = alpha * tile.at[i][j];
      if (!first || e.add) {
        value += get(e.out + offset);
      } else {
        if (e.bias) value += e.bias_scale * get(e.bias + col);
        if (e.residual) value += get(e.residual + offset);
      }
      if (activation == Activation::kGeluSlope && last) value *= gelu_slope(get(e.pre + offset));
      put(e.out + offset, value);
      if (activation == Activation::kGelu && last) put(e.activated + offset, gelu(value));
    }
  }
}

template <class Operand, Activation activation, class A, class B>
void multiply(OpContext& ctx, int64_t m, int64_t n, int64_t depth, const A& a, const B& b, const Epilogue& e) {
  constexpr int64_t kDepth = kBlockUnits * Operand::kDepth;
  float* packed_a = reinterpret_cast<float*>(ctx.shared_scratch);
  float* packed_b = packed_a + kBlockRows * kBlockUnits;
  for (int64_t m0 = 0; m0 < m; m0 += kBlockRows) {
    const int64_t block_m = smaller(kBlockRows, m - m0);
    const int64_t panels_a = ceil_div(block_m, kTileRows);
    for (int64_t n0 = 0; n0 < n; n0 += kBlockCols) {
      const int64_t block_n = smaller(kBlockCols, n - n0);
      const int64_t panels_b = ceil_div(block_n, kTileCols);
      for (int64_t k0 = 0; k0 < depth; k0 += kDepth) {
        const int64_t k = smaller(kDepth, depth - k0);
        const int64_t units = ceil_div(k, Operand::kDepth);
        // A's block is the same for every block of columns when the depth is covered at once.
        const bool pack_a = n0 == 0 || depth > kDepth;
        const int64_t panels = smaller(8, ceil_div(panels_a + panels_b, kWantedTasks));  // per task
        const int64_t tasks_a = pack_a ? ceil_div(panels_a, panels) : 0;
        parallel_for(ctx, tasks_a + ceil_div(panels_b, panels), [&](int64_t task, int) {
          if (task < tasks_a) {
            const int64_t first = task * panels;
            const int64_t lane = first * kTileRows;
            a.template pack<Operand, kTileRows>(packed_a + lane * units, smaller(panels, panels_a - first), m0 + lane,
                                                block_m - lane, k0, k);
          } else {
            const int64_t first = (task - tasks_a) * panels;
            const int64_t lane = first * kTileCols;
            b.template pack<Operand, kTileCols>(packed_b + lane * units, smaller(panels, panels_b - first), n0 + lane,
                                                block_n - lane, k0, k);
          }
        });
        const TaskShape shape = task_shape(block_m, block_n, k);
        const int64_t tasks_m = ceil_div(block_m, shape.rows);
        const int64_t tasks_n = ceil_div(block_n, shape.cols);
        parallel_for(ctx, tasks_m * tasks_n, [&](int64_t task, int) {
          const int64_t row_end = smaller((task % tasks_m + 1) * shape.rows, block_m);
          const int64_t col_end = smaller((task / tasks_m + 1) * shape.cols, block_n);
          for (int64_t i = task % tasks_m * shape.rows; i < row_end; i += kTileRows) {
            for (int64_t j = task / tasks_m * shape.cols; j < col_end; j += kTileCols) {
              const Tile<kTileRows> tile = multiply_tile<kTileRows, Operand>(units, packed_a + i * units, 1, kTileRows,
                                                                             packed_b + j * units, kTileCols);
              finish<activation>(tile, e, m0 + i, smaller(kTileRows, row_end - i), n0 + j,
                                 smaller(kTileCols, col_end - j), k0 == 0, k0 + k == depth);
            }
          }
        });
      }
    }
  }
  ctx.multiply_adds += m * n * depth;
}

}  // namespace burgeon::BURGEON_ISA
