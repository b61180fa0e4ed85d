// Products by register tiles: out (m, n) from A (m, depth) and B (depth, n). Blocks of both operands are packed for all
// threads, ahead of what is computed. Blocks are fixed by the shape, so each output sums in one order whatever the
// number of threads.
#pragma once

#include "backend/cpu/epilogue.h"
#include "backend/cpu/pieces.h"

namespace burgeon::BURGEON_ISA {

constexpr int64_t kTaskRows = 96;   // at most; a multiple of every PanelProduct::kRows
constexpr int64_t kTaskCols = 192;  // at most; a multiple of every PanelProduct::kCols
// Rows of A or columns of B in a block: of the operand that stays, and of the one that streams past it.
constexpr int64_t kStayingLanes = 1536;
constexpr int64_t kStreamedLanes = 384;
constexpr int64_t kMostUnits = PanelProduct<Float32>::kBlockUnits;  // of depth in a block of full height
// The most rows of a block of A that every core can keep in its second-level cache beside what it multiplies them by.
constexpr int64_t kSharedRows = 256;
static_assert(kStayingLanes % kTaskRows == 0 && kStayingLanes % kTaskCols == 0);
static_assert(kStreamedLanes % kTaskRows == 0 && kStreamedLanes % kTaskCols == 0);

// Small products are cut finer, so that there is something for every thread, down to tasks of about a microsecond.
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kWantedTasksOfThread = 4;  // where threads have columns of their own
constexpr int64_t kMinTaskWork = 100000;     // multiply-adds

// How large blocks are. Where `units` of depth are more than a block of full height has, blocks are lower.
struct BlockSize {
  int64_t staying_lanes = kStayingLanes;
  int64_t streamed_lanes = kStreamedLanes;
  int64_t units = kMostUnits;

  explicit BlockSize(int64_t depth_units) {
    if (depth_units <= kMostUnits) return;
    units = depth_units;
    staying_lanes = larger(1, kStayingLanes * kMostUnits / units / kTaskCols) * kTaskCols;
    streamed_lanes = kTaskCols;
  }
  int64_t staying_floats() const { return staying_lanes * units; }
  int64_t streamed_floats() const { return streamed_lanes * units; }
  // Two blocks of either operand, for all depths up to this.
  static int64_t scratch_floats(int64_t depth_units) {
    const int64_t lowest = kTaskCols * depth_units;
    return 2 * (larger(kStayingLanes * kMostUnits, lowest) + larger(kStreamedLanes * kMostUnits, lowest));
  }
};

struct TaskShape {
  int64_t rows;
  int64_t cols;
};

// The order of summation does not depend on it. With `by_cols` tasks stay wide as long as they can.
template <class Panels>
TaskShape task_shape(int64_t m, int64_t n, int64_t depth, int64_t wanted, bool by_cols) {
  TaskShape task{kTaskRows, kTaskCols};
  while (ceil_div(m, task.rows) * ceil_div(n, task.cols) < wanted && task.rows * task.cols * depth > kMinTaskWork) {
    const bool cuts_cols = by_cols ? task.rows <= Panels::kRows : task.cols >= task.rows;
    if (task.cols > Panels::kCols && cuts_cols) {
      task.cols = ceil_div(task.cols / 2, Panels::kCols) * Panels::kCols;
    } else if (task.rows > Panels::kRows) {
      task.rows = ceil_div(task.rows / 2, Panels::kRows) * Panels::kRows;
    } else {
      break;
    }
  }
  return task;
}

// What one operand is of a block: which rows of A or columns of B, where they are packed, and whether that is still to
// be done, or they are there from the block before.
struct BlockSide {
  int64_t begin;
  int64_t count;
  float* packed;
  bool is_new;
};

struct ProductBlock {
  BlockSide a;
  BlockSide b;
  int64_t k0;  // of the shared dimension
  int64_t k;
};

// The blocks in the order of computation. One operand stays for all blocks of a depth while the other streams past it
// in smaller ones, so that little is packed before there is something to compute. What stays is packed once; A or B, so
// that the other is packed the fewest times, or else the smaller.
template <class Panels>
struct ProductBlocks {
  static_assert(kTaskRows % Panels::kRows == 0 && kTaskCols % Panels::kCols == 0);

  BlockSize size;
  bool a_stays;
  Pieces staying, depth, streamed;
  float* packed;

  // Of at most so many units of depth each.
  ProductBlocks(int64_t m, int64_t n, int64_t k, int64_t units, float* scratch)
      : size(units),
        a_stays(a_should_stay(m, n)),
        staying(a_stays ? m : n, size.staying_lanes, a_stays ? kTaskRows : kTaskCols),
        depth(k, Panels::PanelA::depth(units), Panels::PanelA::depth(units)),
        streamed(a_stays ? n : m, size.streamed_lanes, a_stays ? kTaskCols : kTaskRows),
        packed(scratch) {}

  int64_t count() const { return staying.count() * depth.count() * streamed.count(); }

  ProductBlock at(int64_t i) const {
    const int64_t stream = i % streamed.count();
    const int64_t round = i / streamed.count();  // of one block of what stays
    const int64_t d = round % depth.count();
    const int64_t stay = round / depth.count();
    const BlockSide stays{stay * staying.size, staying.length(stay), packed + round % 2 * size.staying_floats(),
                          stream == 0};
    const BlockSide streams{stream * streamed.size, streamed.length(stream),
                            packed + 2 * size.staying_floats() + i % 2 * size.streamed_floats(), true};
    return {a_stays ? stays : streams, a_stays ? streams : stays, d * depth.size, depth.length(d)};
  }

 private:
  bool a_should_stay(int64_t m, int64_t n) const {
    const int64_t a_again = n * (ceil_div(m, size.staying_lanes) - 1);  // packed again if A stays
    const int64_t b_again = m * (ceil_div(n, size.staying_lanes) - 1);
    return a_again != b_again ? a_again < b_again : m <= n;
  }
};

// Packing of one block, in groups of panels.
template <class Panels, class A, class B>
struct Packing {
  using PanelA = typename Panels::PanelA;
  using PanelB = typename Panels::PanelB;
  static constexpr int64_t kParts = 96;  // of fetching a group

  const ProductBlock& block;
  const A& a;
  const B& b;
  int64_t groups_a, groups;

  Packing(const ProductBlock& to_pack, const A& operand_a, const B& operand_b)
      : block(to_pack),
        a(operand_a),
        b(operand_b),
        groups_a(block.a.is_new ? ceil_div(block.a.count, Panels::kPackedA * PanelA::kLanes) : 0),
        groups(groups_a + (block.b.is_new ? ceil_div(block.b.count, Panels::kPackedB * PanelB::kLanes) : 0)) {}

  void run(int64_t group) const {
    if (group < groups_a) {
      pack<PanelA, Panels::kPackedA>(a, block.a, group);
    } else {
      pack<PanelB, Panels::kPackedB>(b, block.b, group - groups_a);
    }
  }

  // Fetches part `part` of kParts of what a group will read.
  BURGEON_INLINE void fetch(int64_t group, int64_t part) const {
    if (group < groups_a) {
      fetch<PanelA::kLanes, Panels::kPackedA>(a, block.a, group, part);
    } else {
      fetch<PanelB::kLanes, Panels::kPackedB>(b, block.b, group - groups_a, part);
    }
  }

 private:
  template <class Panel, int kPanels, class Matrix>
  void pack(const Matrix& matrix, const BlockSide& side, int64_t group) const {
    const int64_t lane = group * kPanels * Panel::kLanes;
    const int64_t left = side.count - lane;
    matrix.template pack<Panel>(side.packed + lane * Panel::units(block.k),
                                smaller(kPanels, ceil_div(left, Panel::kLanes)), side.begin + lane, left, block.k0,
                                block.k);
  }

  template <int Lanes, int kPanels, class Matrix>
  BURGEON_INLINE void fetch(const Matrix& matrix, const BlockSide& side, int64_t group, int64_t part) const {
    const int64_t lane = group * kPanels * Lanes;
    matrix.template fetch<Lanes>(side.begin + lane, smaller(kPanels * Lanes, side.count - lane), block.k0, block.k,
                                 part, kParts);
  }
};

// Where task `task` of a block lies. Every thread's share of the tasks is a band: of rows, or `by_cols` of columns. It
// packed those itself and, in the next loop, reads them; what another core wrote is far away. Within the band tasks go
// down the rows, so that the panels of B stay in its second-level cache.
struct TaskPlace {
  int64_t row;
  int64_t col;
};
BURGEON_INLINE TaskPlace place_of(int64_t task, int64_t tasks_m, int64_t tasks_n, int64_t threads, bool by_cols) {
  const int64_t lines = by_cols ? tasks_n : tasks_m;
  const int64_t across = by_cols ? tasks_m : tasks_n;
  const int64_t bands = smaller(threads, lines);
  int64_t band = task * bands / (lines * across);
  // Bands differ by a line where the lines do not divide evenly; the estimate may be one off.
  while (task < lines * band / bands * across) --band;
  while (task >= lines * (band + 1) / bands * across) ++band;
  const int64_t first = lines * band / bands;
  const int64_t count = lines * (band + 1) / bands - first;
  const int64_t inside = task - first * across;
  if (by_cols) return {inside % across, first + inside / across};
  return {first + inside % count, inside / count};
}

// Sums in registers become outputs tile by tile. Meanwhile fetches what the groups [begin, end) of the next block's
// packing will read.
template <class Panels, Activation activation, class A, class B, class T>
void compute_tiles(const ProductBlock& block, const Part& task, const Epilogue<T>& e, const Packing<Panels, A, B>& next,
                   int64_t begin, int64_t end) {
  constexpr int64_t kParts = Packing<Panels, A, B>::kParts;
  const int64_t units = Panels::PanelA::units(block.k);
  const int64_t tiles = ceil_div(task.rows, Panels::kRows) * ceil_div(task.cols, Panels::kCols);
  const int64_t parts = (end - begin) * kParts;
  int64_t tile_number = 0, part = 0;
  for (int64_t i = 0; i < task.rows; i += Panels::kRows) {
    for (int64_t j = 0; j < task.cols; j += Panels::kCols) {
      for (++tile_number; part < parts * tile_number / tiles; ++part) {
        next.fetch(begin + part / kParts, part % kParts);
      }
      const Part tile{task.row + i, smaller(Panels::kRows, task.rows - i),
                      task.col + j, smaller(Panels::kCols, task.cols - j),
                      task.adds,    task.last};
      fetch_outputs(e, tile);
      const float* a = block.a.packed + (tile.row - block.a.begin) * units;
      const float* b = block.b.packed + (tile.col - block.b.begin) * units;
      finish_tile<activation>(Panels::multiply(units, a, b), e, tile);
    }
  }
}

// Every block but the first is packed while the one before it is computed, a few panels after each task: threads meet
// once per block.
template <class Panels, Activation activation, class A, class B, class T>
void multiply_blocked(OpContext& ctx, int64_t m, int64_t n, int64_t depth, const A& a, const B& b,
                      const Epilogue<T>& e) {
  const ProductBlocks<Panels> blocks(m, n, depth, block_units<Panels, T>(depth),
                                     reinterpret_cast<float*>(ctx.shared_scratch) + e.gathered);
  const int64_t count = blocks.count();
  ProductBlock block = blocks.at(0);
  {
    const Packing<Panels, A, B> packing(block, a, b);
    parallel_for(ctx, packing.groups_a, packing.groups - packing.groups_a,
                 [&](int64_t group, int) { packing.run(group); });
  }
  for (int64_t i = 1; i <= count; ++i) {
    const ProductBlock after = blocks.at(i % count);
    const Packing<Panels, A, B> next(after, a, b);
    const int64_t groups = i < count ? next.groups : 0;
    // Columns are what a thread packs itself where B streams past A, if a core has room for all of such a block of A.
    const bool by_cols =
        blocks.a_stays && block.a.count <= kSharedRows && Panels::PanelA::units(block.k) <= Panels::kBlockUnits;
    const int64_t threads = pool_size(ctx.pool);
    const int64_t wanted = by_cols ? kWantedTasksOfThread * threads : kWantedTasks;
    const TaskShape shape = task_shape<Panels>(block.a.count, block.b.count, block.k, wanted, by_cols);
    const int64_t tasks_m = ceil_div(block.a.count, shape.rows);
    const int64_t tasks_n = ceil_div(block.b.count, shape.cols);
    const int64_t tasks = tasks_m * tasks_n;
    parallel_for(ctx, tasks, [&](int64_t task, int) {
      const int64_t begin = groups * task / tasks, end = groups * (task + 1) / tasks;
      const TaskPlace place = place_of(task, tasks_m, tasks_n, threads, by_cols);
      const int64_t row = place.row * shape.rows, col = place.col * shape.cols;
      const Part part{block.a.begin + row,   smaller(shape.rows, block.a.count - row),
                      block.b.begin + col,   smaller(shape.cols, block.b.count - col),
                      block.k0 > 0 || e.add, block.k0 + block.k == depth};
      compute_tiles<Panels, activation>(block, part, e, next, begin, end);
      for (int64_t group = begin; group < end; ++group) next.run(group);
    });
    block = after;
  }
  ctx.multiply_adds += m * n * depth;
}

}  // namespace burgeon::BURGEON_ISA
