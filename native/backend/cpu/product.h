// Packed, register-blocked matrix products: out (m, n) from A (m, depth) and B (depth, n). Both operands are copied
// into panels the micro-kernel reads contiguously; packing is where the list of active rows is applied and float32
// becomes bfloat16, so a sampled product is a smaller dense product with no gather of its own. Blocks are fixed by the
// shape, so each output sums in one order whatever the number of threads.
#pragma once

#include "backend/cpu/activation.h"
#include "backend/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

// Units of depth packed at once. A panel of A (18 KB with AVX-512) stays in the first-level cache while the panels of B
// of a task (295 KB) pass by it from the second level, once per panel of A.
constexpr int64_t kBlockUnits = 384;
constexpr int64_t kTaskRows = 96;     // at most; a multiple of every kTileRows
constexpr int64_t kTaskCols = 192;    // at most; a multiple of every kTileCols
constexpr int64_t kBlockRows = 1536;  // packed at once; both blocks, and the next ones, stay in the last-level cache
constexpr int64_t kBlockCols = 768;
static_assert(kTaskRows % kTileRows == 0 && kTaskCols % kTileCols == 0);
static_assert(kBlockRows % kTaskRows == 0 && kBlockCols % kTaskCols == 0);

// Small products are cut finer, so that there is something for every thread, down to tasks of about a microsecond.
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kMinTaskWork = 100000;  // multiply-adds

// Scratch of a product: two packed blocks of either operand, and after them the gathered bias.
constexpr int64_t kPackedFloats = 2 * (kBlockRows + kBlockCols) * kBlockUnits;
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
  while (ceil_div(m, task.rows) * ceil_div(n, task.cols) < kWantedTasks &&
         task.rows * task.cols * depth > kMinTaskWork) {
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

enum class Activation { kNone, kGelu, kGeluSlope, kSwiglu, kSwigluSlope };

// What happens to a finished sum: out[i, j] = alpha * sum + bias_scale * bias[j] + residual[i, j], or out += alpha *
// sum. Once a sum is complete, kGelu also assigns activated = gelu(out) and kGeluSlope multiplies by gelu'(pre);
// kSwiglu also assigns activated = silu(pre) * out, where pre is the gate, and kSwigluSlope assigns the gradients of
// up, activated = out * silu(pre), and of the gate, out = out * up * silu'(pre).
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
  const float* up = nullptr;
};

// Fetches what `finish` will read, or with kWrite write, of an operand while the sums are being made: the rows of a tile
// are far apart, which the hardware does not foresee.
template <bool kWrite = false>
BURGEON_INLINE void prefetch_tile(const float* p, const Epilogue& e, int64_t row, int64_t rows, int64_t col) {
  if (!p) return;
  for (int64_t i = row; i < row + rows; ++i) {
    prefetch_row<kWrite>(p + (e.out_rows ? e.out_rows[i] : i) * e.stride + col, kTileCols);
  }
}
BURGEON_INLINE void prefetch(const Epilogue& e, int64_t row, int64_t rows, int64_t col) {
  prefetch_tile<true>(e.out, e, row, rows, col);
  prefetch_tile(e.residual, e, row, rows, col);
  prefetch_tile(e.pre, e, row, rows, col);
  prefetch_tile(e.up, e, row, rows, col);
}

// `finish` for tiles that are whole, or not, and for sums that start from `out`, or from bias and residual: what is known
// of a whole tile is decided once, not for each of its vectors.
template <Activation activation, int Rows, bool kWhole, bool kAdds>
BURGEON_INLINE void finish_tile(const Tile<Rows>& tile, const Epilogue& e, int64_t row, int64_t rows, int64_t col,
                                int64_t cols, bool last) {
  const auto get = [&](const float* p, int j) {
    return kWhole ? load(p + j * kWidth) : load_first(p + j * kWidth, cols - j * kWidth);
  };
  const auto put = [&](float* p, int j, Vec v) {
    if (kWhole) {
      store(p + j * kWidth, v);
    } else {
      store_first(p + j * kWidth, v, cols - j * kWidth);
    }
  };
  const Vec alpha = splat(e.alpha);
  Vec bias[kTileVecs] = {};
  if (!kAdds && e.bias) {
    for (int j = 0; j < kTileVecs; ++j) bias[j] = e.bias_scale * get(e.bias + col, j);
  }
#pragma GCC unroll 16
  for (int64_t i = 0; i < Rows; ++i) {
    if (!kWhole && i >= rows) break;
    const int64_t offset = (e.out_rows ? e.out_rows[row + i] : row + i) * e.stride + col;
    Vec value[kTileVecs];
#pragma GCC unroll 4
    for (int j = 0; j < kTileVecs; ++j) {
      value[j] = alpha * tile.at[i][j] + (kAdds ? get(e.out + offset, j) : bias[j]);
    }
    if (!kAdds && e.residual) {
#pragma GCC unroll 4
      for (int j = 0; j < kTileVecs; ++j) value[j] += get(e.residual + offset, j);
    }
#pragma GCC unroll 4
    for (int j = 0; j < kTileVecs; ++j) {
      if (activation == Activation::kGeluSlope && last) value[j] *= gelu_slope(get(e.pre + offset, j));
      if (activation == Activation::kSwigluSlope && last) {
        const Vec gate = get(e.pre + offset, j);
        const Vec s = sigmoid(gate);
        put(e.activated + offset, j, value[j] * gate * s);
        value[j] *= get(e.up + offset, j) * s * (1.0f + gate * (1.0f - s));
      }
      put(e.out + offset, j, value[j]);
      if (activation == Activation::kGelu && last) put(e.activated + offset, j, gelu(value[j]));
      if (activation == Activation::kSwiglu && last) {
        const Vec gate = get(e.pre + offset, j);
        put(e.activated + offset, j, value[j] * gate * sigmoid(gate));
      }
    }
  }
}

template <Activation activation, int Rows>
BURGEON_INLINE void finish(const Tile<Rows>& tile, const Epilogue& e, int64_t row, int64_t rows, int64_t col,
                           int64_t cols, bool first, bool last) {
  const bool adds = !first || e.add;
  if (rows >= Rows && cols >= kTileCols) {
    if (adds) {
      finish_tile<activation, Rows, true, true>(tile, e, row, rows, col, cols, last);
    } else {
      finish_tile<activation, Rows, true, false>(tile, e, row, rows, col, cols, last);
    }
  } else if (adds) {
    finish_tile<activation, Rows, false, true>(tile, e, row, rows, col, cols, last);
  } else {
    finish_tile<activation, Rows, false, false>(tile, e, row, rows, col, cols, last);
  }
}

// One block of a product: rows [m0, m0 + m), columns [n0, n0 + n), depth [k0, k0 + k), and where it is packed.
struct ProductBlock {
  int64_t m0, n0, k0;
  int64_t m, n, k;
  bool packs_a;  // or else A is as the block before left it
  float* a;
  float* b;
};

// Blocks in the order of computation: columns first, so that every block of A is packed once, then depth, then rows.
template <class Operand>
struct ProductBlocks {
  static constexpr int64_t kDepth = kBlockUnits * Operand::kDepth;
  int64_t m, n, depth;
  float* packed_a[2];
  float* packed_b[2];

  ProductBlock at(int64_t m0, int64_t n0, int64_t k0, const ProductBlock* before) const {
    const bool packs_a = n0 == 0;
    const int64_t slot_a = !before ? 0 : (before->a == packed_a[1]) != packs_a;
    const int64_t slot_b = before && before->b == packed_b[0];
    return {m0,
            n0,
            k0,
            smaller(kBlockRows, m - m0),
            smaller(kBlockCols, n - n0),
            smaller(kDepth, depth - k0),
            packs_a,
            packed_a[slot_a],
            packed_b[slot_b]};
  }
  ProductBlock first() const { return at(0, 0, 0, nullptr); }
  // Whether there is a block after `block`, which it then becomes.
  bool next(const ProductBlock& block, ProductBlock* after) const {
    if (block.n0 + block.n < n) {
      *after = at(block.m0, block.n0 + block.n, block.k0, &block);
    } else if (block.k0 + block.k < depth) {
      *after = at(block.m0, 0, block.k0 + block.k, &block);
    } else if (block.m0 + block.m < m) {
      *after = at(block.m0 + block.m, 0, 0, &block);
    } else {
      return false;
    }
    return true;
  }
};

// Packing of one block, cut into tasks of a few panels.
template <class Operand, class A, class B>
struct PackTasks {
  const ProductBlock& block;
  const A& a;
  const B& b;
  int64_t panels_a, panels_b, panels, tasks_a, count;

  PackTasks(const ProductBlock& packed, const A& operand_a, const B& operand_b)
      : block(packed),
        a(operand_a),
        b(operand_b),
        panels_a(ceil_div(packed.m, kTileRows)),
        panels_b(ceil_div(packed.n, kTileCols)),
        panels(smaller(8, ceil_div(panels_a + panels_b, kWantedTasks))),
        tasks_a(packed.packs_a ? ceil_div(panels_a, panels) : 0),
        count(tasks_a + ceil_div(panels_b, panels)) {}

  void run(int64_t task) const {
    const int64_t units = ceil_div(block.k, Operand::kDepth);
    if (task < tasks_a) {
      const int64_t first = task * panels;
      const int64_t lane = first * kTileRows;
      a.template pack<Operand, kTileRows>(block.a + lane * units, smaller(panels, panels_a - first), block.m0 + lane,
                                          block.m - lane, block.k0, block.k);
    } else {
      const int64_t first = (task - tasks_a) * panels;
      const int64_t lane = first * kTileCols;
      b.template pack<Operand, kTileCols>(block.b + lane * units, smaller(panels, panels_b - first), block.n0 + lane,
                                          block.n - lane, block.k0, block.k);
    }
  }
};

// Where task `task` of a block lies. Every thread's share of the tasks is a band of rows, the rows it packed and, in
// the next loop, reads; within the band, tasks go down the rows, so that the panels of B stay in its second-level
// cache.
struct TaskPlace {
  int64_t row;
  int64_t col;
};
BURGEON_INLINE TaskPlace place_of(int64_t task, int64_t tasks_m, int64_t tasks_n, int64_t threads) {
  const int64_t bands = smaller(threads, tasks_m);
  int64_t band = task * bands / (tasks_m * tasks_n);
  // Bands differ by a row where the rows do not divide evenly; the estimate may be one off.
  while (task < tasks_m * band / bands * tasks_n) --band;
  while (task >= tasks_m * (band + 1) / bands * tasks_n) ++band;
  const int64_t first = tasks_m * band / bands;
  const int64_t rows = tasks_m * (band + 1) / bands - first;
  const int64_t inside = task - first * tasks_n;
  return {first + inside % rows, inside / rows};
}

template <class Operand, Activation activation>
void compute_task(const ProductBlock& block, const TaskShape& shape, TaskPlace place, int64_t depth,
                  const Epilogue& e) {
  const int64_t units = ceil_div(block.k, Operand::kDepth);
  const int64_t row_end = smaller((place.row + 1) * shape.rows, block.m);
  const int64_t col_end = smaller((place.col + 1) * shape.cols, block.n);
  for (int64_t i = place.row * shape.rows; i < row_end; i += kTileRows) {
    for (int64_t j = place.col * shape.cols; j < col_end; j += kTileCols) {
      prefetch(e, block.m0 + i, smaller(kTileRows, row_end - i), block.n0 + j);
      const Tile<kTileRows> tile =
          multiply_tile<kTileRows, Operand>(units, block.a + i * units, 1, kTileRows, block.b + j * units, kTileCols);
      finish<activation>(tile, e, block.m0 + i, smaller(kTileRows, row_end - i), block.n0 + j,
                         smaller(kTileCols, col_end - j), block.k0 == 0, block.k0 + block.k == depth);
    }
  }
}

// A block is packed while the one before it is computed: threads meet once per block, and the small packing tasks at
// the end of the list even out what the large ones leave.
template <class Operand, Activation activation, class A, class B>
void multiply(OpContext& ctx, int64_t m, int64_t n, int64_t depth, const A& a, const B& b, const Epilogue& e) {
  float* packed = reinterpret_cast<float*>(ctx.shared_scratch);
  constexpr int64_t kFloatsA = kBlockRows * kBlockUnits;
  constexpr int64_t kFloatsB = kBlockCols * kBlockUnits;
  float* packed_b = packed + 2 * kFloatsA;
  const ProductBlocks<Operand> blocks{m, n, depth, {packed, packed + kFloatsA}, {packed_b, packed_b + kFloatsB}};

  ProductBlock block = blocks.first();
  {
    const PackTasks<Operand, A, B> packing(block, a, b);
    parallel_for(ctx, packing.tasks_a, packing.count - packing.tasks_a, [&](int64_t task, int) { packing.run(task); });
  }
  for (bool more = true; more;) {
    ProductBlock after = block;
    more = blocks.next(block, &after);
    const PackTasks<Operand, A, B> packing(after, a, b);
    const TaskShape shape = task_shape(block.m, block.n, block.k);
    const int64_t tasks_m = ceil_div(block.m, shape.rows);
    const int64_t tasks_n = ceil_div(block.n, shape.cols);
    const int64_t products = tasks_m * tasks_n;
    parallel_for(ctx, products, more ? packing.count : 0, [&](int64_t task, int) {
      if (task < products) {
        compute_task<Operand, activation>(block, shape, place_of(task, tasks_m, tasks_n, pool_size(ctx.pool)), depth,
                                          e);
      } else {
        packing.run(task - products);
      }
    });
    block = after;
  }
  ctx.multiply_adds += m * n * depth;
}

}  // namespace burgeon::BURGEON_ISA
