// Packed matrix products: out (m, n) from A (m, depth) and B (depth, n). Both operands are copied into panels that are
// multiplied from contiguous memory; packing is where the list of active rows is applied and float32 becomes bfloat16,
// so a sampled product is a smaller dense product with no gather of its own. Sums are float32 until they are whole.
//
// Of the operand with fewer lanes, rows of A or columns of B, a block is packed once and stays. The other streams past
// it: a thread packs a few of its lanes for itself and multiplies them at once. So cores write little that others read:
// before such a line can be written again it is taken from the other core, at 11 GB/s where they share a third-level
// cache, at 2 where they do not. How the depth is cut depends on the shape alone, so each output sums in one order
// whatever the number of threads.
#pragma once

#include "kernels/cpu/multiply_panels.h"

namespace burgeon::BURGEON_ISA {

// [0, total) in `count` pieces, each a multiple of `step` but the last, that differ by at most one step.
struct Pieces {
  int64_t total;
  int64_t step;
  int64_t count;
  Pieces(int64_t length, int64_t size, int64_t wanted)
      : total(length), step(size), count(smaller(wanted, ceil_div(length, size))) {}
  int64_t begin(int64_t i) const { return smaller(total, ceil_div(total, step) * i / count * step); }
  int64_t length(int64_t i) const { return begin(i + 1) - begin(i); }
  int64_t longest() const { return ceil_div(ceil_div(total, step), count) * step; }
};

// Of what stays: lanes, positions of the shared dimension, and where they are packed.
struct StayingBlock {
  int64_t begin;
  int64_t count;
  int64_t k0;
  int64_t k;
  float* packed;
};

// Outputs in bfloat16 cannot hold partial sums: the whole depth is then one block. Of other outputs it is cut.
template <class Panels, class T>
int64_t block_units(int64_t depth) {
  return sizeof(T) < sizeof(float) ? Panels::PanelA::units(depth) : Panels::kBlockUnits;
}

// How a product is cut.
template <class Panels>
struct ProductBlocks {
  // At least so many lanes stay where they are very deep, and stream past them a panel at a time.
  static constexpr int64_t kMinStayingLanes = 192;
  static constexpr int64_t kMinStreamedLanes = Panels::kRows > Panels::kCols ? Panels::kRows : Panels::kCols;
  static constexpr int64_t kMostStreamedLanes = 96;
  static constexpr int64_t kWantedTasksOfThread = 4;
  // Panels that are packed together are never cut.
  static constexpr int64_t kPackedRows = Panels::kPackedA * Panels::kRows;
  static constexpr int64_t kPackedCols = Panels::kPackedB * Panels::kCols;
  static_assert(kMinStayingLanes % kPackedRows == 0 && kMinStayingLanes % kPackedCols == 0);
  static_assert(kMostStreamedLanes % Panels::kRows == 0 && kMostStreamedLanes % Panels::kCols == 0);

  // Scratch for blocks of up to so many units of depth: two of what stays (copies, or in turns), and of every thread
  // what streams.
  static int64_t shared_floats(int64_t units) { return 2 * larger(Panels::kStayingFloats, kMinStayingLanes * units); }
  static int64_t thread_floats(int64_t units) { return larger(Panels::kStreamedFloats, kMinStreamedLanes * units); }

  int64_t units;  // of depth in a block
  bool a_stays;
  int64_t packed_lanes;  // of what stays, at a time
  int64_t depth, positions;
  Pieces staying, streamed;
  int64_t across;  // tasks in which the same lanes stream past different parts of a block

  // Fewer lanes stream at a time where there are few, so that there is something for every thread; where that is not
  // enough, they also share out the block.
  ProductBlocks(int64_t m, int64_t n, int64_t k, int64_t most_units, int64_t threads)
      : units(smaller(most_units, Panels::PanelA::units(k))),
        a_stays(m <= n),
        packed_lanes(a_stays ? kPackedRows : kPackedCols),
        depth(k),
        positions(Panels::PanelA::depth(units)),
        staying(smaller(m, n), packed_lanes, ceil_div(smaller(m, n), staying_lanes(units, packed_lanes))),
        streamed(larger(m, n), a_stays ? Panels::kCols : Panels::kRows,
                 threads * larger(kWantedTasksOfThread, ceil_div(larger(m, n), threads * streamed_lanes()))),
        across(larger(
            1, smaller(threads * kWantedTasksOfThread / streamed.count, staying.longest() / kMinStayingLanes))) {}

  int64_t depth_count() const { return ceil_div(depth, positions); }
  int64_t count() const { return staying.count * depth_count(); }

  int64_t floats() const { return staying.longest() * units; }
  StayingBlock at(int64_t i, float* packed) const {
    const int64_t stay = i / depth_count(), k0 = i % depth_count() * positions;
    return {staying.begin(stay), staying.length(stay), k0, smaller(positions, depth - k0), packed};
  }

 private:
  static int64_t staying_lanes(int64_t units, int64_t step) {
    return larger(Panels::kStayingFloats / units / step * step, kMinStayingLanes);
  }
  int64_t streamed_lanes() const {
    const int64_t step = a_stays ? Panels::kCols : Panels::kRows;
    return smaller(larger(Panels::kStreamedFloats / units / step * step, step), kMostStreamedLanes);
  }
};

// Scratch of products whose bias may be gathered from `row_count` numbers; of those whose outputs may be bfloat16,
// `width` is the largest depth.
constexpr int64_t kPackedFloats = 2 * 1536 * 384;  // of it, shared, at least
template <class T>
ScratchSize product_scratch(int64_t row_count, int64_t width) {
  using Panels = typename LargeProduct<OperandOf<T>>::Panels;
  using Blocks = ProductBlocks<Panels>;
  const int64_t units = larger(Panels::kBlockUnits, block_units<Panels, T>(width));
  return {
      static_cast<size_t>(bias_floats(row_count) + larger(kPackedFloats, Blocks::shared_floats(units))) * sizeof(float),
      static_cast<size_t>(Blocks::thread_floats(units)) * sizeof(float)};
}

// How both operands are packed, and what packing will read is fetched. `of_a`: lanes are rows of A.
template <class Panels, class A, class B>
struct Packing {
  using PanelA = typename Panels::PanelA;
  using PanelB = typename Panels::PanelB;

  const ProductBlocks<Panels>& blocks;
  const A& a;
  const B& b;

  void pack(bool of_a, float* to, int64_t lane, int64_t lanes, const StayingBlock& block) const {
    if (of_a) {
      pack<PanelA, Panels::kPackedA>(a, to, lane, lanes, block.k0, block.k);
    } else {
      pack<PanelB, Panels::kPackedB>(b, to, lane, lanes, block.k0, block.k);
    }
  }
  BURGEON_INLINE void fetch(bool of_a, int64_t lane, int64_t lanes, const StayingBlock& block, int64_t part) const {
    if (of_a) {
      a.template fetch<PanelA::kLanes>(lane, lanes, block.k0, block.k, part, kFetchedParts);
    } else {
      b.template fetch<PanelB::kLanes>(lane, lanes, block.k0, block.k, part, kFetchedParts);
    }
  }

  // What stays is packed in groups of panels.
  int64_t groups_of(const StayingBlock& block) const { return ceil_div(block.count, blocks.packed_lanes); }
  void pack_group(const StayingBlock& block, int64_t group) const {
    const int64_t lane = group * blocks.packed_lanes;
    pack(blocks.a_stays, block.packed + lane * PanelA::units(block.k), block.begin + lane, lanes_of_group(block, group),
         block);
  }
  BURGEON_INLINE void fetch_group(const StayingBlock& block, int64_t group, int64_t part) const {
    fetch(blocks.a_stays, block.begin + group * blocks.packed_lanes, lanes_of_group(block, group), block, part);
  }

 private:
  template <class Panel, int kPanels, class Matrix>
  static void pack(const Matrix& matrix, float* to, int64_t lane, int64_t lanes, int64_t k, int64_t depth) {
    constexpr int64_t kLanes = kPanels * Panel::kLanes;
    for (int64_t first = 0; first < lanes; first += kLanes) {
      const int64_t left = lanes - first;
      matrix.template pack<Panel>(to + first * Panel::units(depth), smaller(kPanels, ceil_div(left, Panel::kLanes)),
                                  lane + first, left, k, depth);
    }
  }
  int64_t lanes_of_group(const StayingBlock& block, int64_t group) const {
    return smaller(blocks.packed_lanes, block.count - group * blocks.packed_lanes);
  }
};

// Few threads pack what stays each for itself, before its first task of a block. More share it: the next block is
// packed while one is computed, a few panels after each task. Threads meet once per block.
template <class Operand, Activation activation, class A, class B, class T>
void multiply(OpContext& ctx, int64_t m, int64_t n, int64_t depth, const A& a, const B& b, const Epilogue<T>& e) {
  using Panels = typename LargeProduct<Operand>::Panels;
  const int64_t threads = pool_size(ctx.pool);
  const ProductBlocks<Panels> blocks(m, n, depth, block_units<Panels, T>(depth), threads);
  const Packing<Panels, A, B> packing{blocks, a, b};
  const bool a_stays = blocks.a_stays;
  const Pieces& streamed = blocks.streamed;
  const int64_t count = blocks.count();
  float* const packed = reinterpret_cast<float*>(ctx.shared_scratch) + e.gathered;
  const bool copies = threads <= Panels::kMostCopies;
  int64_t copied[Panels::kMostCopies + 1] = {};  // how many blocks, by each thread
  StayingBlock block = blocks.at(0, packed);
  if (!copies)
    parallel_for(ctx, packing.groups_of(block), [&](int64_t group, int) { packing.pack_group(block, group); });
  for (int64_t i = 1; i <= count; ++i) {
    const StayingBlock after = blocks.at(i % count, packed + (copies ? 0 : i % 2 * blocks.floats()));
    const int64_t groups = copies || i == count ? 0 : packing.groups_of(after);
    const int64_t units = Panels::PanelA::units(block.k);
    const bool adds = block.k0 > 0 || e.add, last = block.k0 + block.k == depth;
    const Pieces parts(block.count, a_stays ? Panels::kRows : Panels::kCols, blocks.across);
    const int64_t tasks = streamed.count * parts.count;
    parallel_for(ctx, tasks, [&](int64_t task, int thread) {
      StayingBlock there = block;
      if (copies) {
        there.packed += thread * blocks.floats();
        if (copied[thread] < i) {
          for (int64_t group = 0; group < packing.groups_of(there); ++group) packing.pack_group(there, group);
          copied[thread] = i;
        }
      }
      const int64_t stream = task / parts.count, p = task % parts.count;
      const int64_t lane = streamed.begin(stream), lanes = streamed.length(stream);
      float* const streams = scratch_of(ctx, thread);
      packing.pack(!a_stays, streams, lane, lanes, block);

      // Afterwards this thread packs those groups; and then, if no other thread takes it, the lanes of its next task,
      // which may be the first of its share of the next block.
      const int64_t begin = groups * task / tasks, end = groups * (task + 1) / tasks;
      const bool share_ends = task + 1 == tasks * (thread + 1) / threads;
      const int64_t next = (share_ends ? tasks * thread / threads : task + 1) / parts.count;
      const bool packs_more = share_ends ? i < count : next != stream && next < streamed.count;
      const Fetching fetching{(end - begin + packs_more) * kFetchedParts, [&](int64_t part) {
                                const int64_t group = begin + part / kFetchedParts;
                                if (group < end) {
                                  packing.fetch_group(after, group, part % kFetchedParts);
                                } else {
                                  packing.fetch(!a_stays, streamed.begin(next), streamed.length(next),
                                                share_ends ? after : block, part % kFetchedParts);
                                }
                              }};
      const int64_t from = parts.begin(p), stays = parts.length(p);
      const float* const panels = there.packed + from * units;
      const typename Panels::Scope scope;
      if (a_stays) {
        const Part part{block.begin + from, stays, lane, lanes, adds, last};
        multiply_panels<Panels, activation>(units, panels, streams, part, e, fetching);
      } else {
        const Part part{lane, lanes, block.begin + from, stays, adds, last};
        multiply_panels<Panels, activation>(units, streams, panels, part, e, fetching);
      }
      for (int64_t group = begin; group < end; ++group) packing.pack_group(after, group);
    });
    block = after;
  }
  ctx.multiply_adds += m * n * depth;
}

}  // namespace burgeon::BURGEON_ISA
