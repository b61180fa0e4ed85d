// Products by AMX, whose arithmetic is so fast that caches decide: out (m, n) from A (m, depth) and B (depth, n). Of
// the operand with fewer lanes, rows of A or columns of B, a block is packed for all threads and stays in the
// second-level cache of each. The other streams past it: a thread packs a few of its lanes for itself and multiplies
// them at once, so that they leave no cache of its core. Blocks are fixed by the shape, so each output sums in one
// order whatever the number of threads.
#pragma once

#include "backend/cpu/epilogue.h"
#include "backend/cpu/pieces.h"

namespace burgeon::BURGEON_ISA {

// Of what stays: lanes, positions of the shared dimension, and where they are packed.
struct StayingBlock {
  int64_t begin;
  int64_t count;
  int64_t k0;
  int64_t k;
  float* packed;
};

// How a product is cut.
template <class Panels>
struct StreamedBlocks {
  static constexpr int64_t kLanes = Panels::kRows;  // of a panel of either operand
  static_assert(Panels::kRows == Panels::kCols);
  static constexpr int64_t kPackedLanes = Panels::kPackedA * kLanes;  // of what stays, at a time

  // The most of a block that stays: 1.2 of the 2 MB of a second-level cache, or so many lanes where they are very deep;
  // and of what streams past it at a time.
  static constexpr int64_t kStayingFloats = 294912, kStayingLanes = 192;
  static constexpr int64_t kStreamedFloats = 73728, kStreamedLanes = 96;
  static int64_t staying_lanes(int64_t units) {
    return larger(kStayingFloats / units / kLanes * kLanes, kStayingLanes);
  }
  static int64_t streamed_lanes(int64_t units) {
    return smaller(larger(kStreamedFloats / units / kLanes * kLanes, kLanes), kStreamedLanes);
  }
  // Scratch for blocks of up to so many units of depth: two of what stays, and of every thread what streams.
  static int64_t shared_floats(int64_t units) {
    return 2 * (larger(kStayingFloats, kStayingLanes * units) + kPackedLanes * units);
  }
  static int64_t thread_floats(int64_t units) { return larger(kStreamedFloats, kLanes * units); }

  static constexpr int64_t kWantedTasksOfThread = 4;

  int64_t units;  // of depth in a block
  bool a_stays;
  Pieces depth, staying, streamed;
  int64_t across;  // tasks in which the same lanes stream past different parts of a block

  // Fewer lanes stream at a time where there are few, so that there is something for every thread; where that is not
  // enough, they also share out the block.
  StreamedBlocks(int64_t m, int64_t n, int64_t k, int64_t most_units, int64_t threads)
      : units(smaller(most_units, Panels::PanelA::units(k))),
        a_stays(m <= n),
        depth(k, Panels::PanelA::depth(units), Panels::PanelA::depth(units)),
        staying(smaller(m, n), staying_lanes(units), kPackedLanes),
        streamed(larger(m, n), lanes_of_task(larger(m, n), units, threads), kLanes),
        across(larger(1, smaller(threads * kWantedTasksOfThread / streamed.count(), staying.size / kStayingLanes))) {}

  int64_t count() const { return staying.count() * depth.count(); }

  StayingBlock at(int64_t i, float* packed) const {
    const int64_t stay = i / depth.count(), d = i % depth.count();
    return {stay * staying.size, staying.length(stay), d * depth.size, depth.length(d),
            packed + i % 2 * staying.size * units};
  }

 private:
  static int64_t lanes_of_task(int64_t lanes, int64_t units, int64_t threads) {
    const int64_t fair = lanes / (threads * kWantedTasksOfThread) / kLanes * kLanes;
    return smaller(larger(fair, kLanes), streamed_lanes(units));
  }
};

// Packed panels of A times packed panels of B, both of `units` of depth. Sums become outputs row by row, so that those
// are long runs of memory: of a register tile they would be a line of each of many pages. The depth is cut so that a
// panel of A, one of B and the sums share the first-level cache.
template <class Panels, Activation activation, class T>
void multiply_panels(int64_t units, const float* a, const float* b, const Part& part, const Epilogue<T>& e) {
  constexpr int64_t kCols = 192;  // at a time
  alignas(64) float sums[Panels::kRows * kCols];
  for (int64_t col = 0; col < part.cols; col += kCols) {
    const int64_t cols = smaller(kCols, part.cols - col);
    for (int64_t row = 0; row < part.rows; row += Panels::kRows) {
      for (int64_t u = 0; u < units; u += Panels::kChunkUnits) {
        const int64_t chunk = smaller(Panels::kChunkUnits, units - u);
        for (int64_t j = 0; j < cols; j += Panels::kCols) {
          Panels::multiply_into(chunk, a + row * units + u * Panels::kRows, b + (col + j) * units + u * Panels::kCols,
                                sums + j, kCols, u > 0);
        }
      }
      const Part done{part.row + row, smaller(Panels::kRows, part.rows - row), part.col + col, cols, part.adds,
                      part.last};
      if (part.adds) {
        finish_rows<activation, true>(sums, kCols, e, done);
      } else {
        finish_rows<activation, false>(sums, kCols, e, done);
      }
    }
  }
}

// What stays of the next block is packed while one is computed, a few panels after each task: threads meet once per
// block.
template <class Panels, Activation activation, class A, class B, class T>
void multiply_streamed(OpContext& ctx, int64_t m, int64_t n, int64_t depth, const A& a, const B& b,
                       const Epilogue<T>& e) {
  using Blocks = StreamedBlocks<Panels>;
  const Blocks blocks(m, n, depth, block_units<Panels, T>(depth), pool_size(ctx.pool));
  const auto pack = [&](bool of_a, float* to, int64_t panels, int64_t lane, int64_t lanes, const StayingBlock& block) {
    if (of_a) {
      a.template pack<typename Panels::PanelA>(to, panels, lane, lanes, block.k0, block.k);
    } else {
      b.template pack<typename Panels::PanelB>(to, panels, lane, lanes, block.k0, block.k);
    }
  };
  const auto groups_of = [&](const StayingBlock& block) { return ceil_div(block.count, Blocks::kPackedLanes); };
  const auto pack_group = [&](const StayingBlock& block, int64_t group) {
    const int64_t lane = group * Blocks::kPackedLanes, left = block.count - lane;
    const int64_t panels = ceil_div(smaller(left, Blocks::kPackedLanes), Blocks::kLanes);
    pack(blocks.a_stays, block.packed + lane * Panels::PanelA::units(block.k), panels, block.begin + lane, left, block);
  };

  float* const packed = reinterpret_cast<float*>(ctx.shared_scratch) + e.gathered;
  const int64_t count = blocks.count();
  StayingBlock block = blocks.at(0, packed);
  parallel_for(ctx, groups_of(block), [&](int64_t group, int) { pack_group(block, group); });
  for (int64_t i = 1; i <= count; ++i) {
    const StayingBlock after = blocks.at(i % count, packed);
    const int64_t groups = i < count ? groups_of(after) : 0;
    const int64_t units = Panels::PanelA::units(block.k);
    const bool adds = block.k0 > 0 || e.add, last = block.k0 + block.k == depth;
    const Pieces parts(block.count, ceil_div(block.count, blocks.across), Blocks::kLanes);
    const int64_t tasks = blocks.streamed.count() * parts.count();
    parallel_for(ctx, tasks, [&](int64_t task, int thread) {
      const int64_t stream = task / parts.count(), p = task % parts.count();
      const int64_t lane = stream * blocks.streamed.size, lanes = blocks.streamed.length(stream);
      const int64_t from = p * parts.size, stays = parts.length(p);
      float* const streams = scratch_of(ctx, thread);
      pack(!blocks.a_stays, streams, ceil_div(lanes, Blocks::kLanes), lane, lanes, block);
      const float* const there = block.packed + from * units;
      const typename Panels::Scope scope;
      if (blocks.a_stays) {
        const Part part{block.begin + from, stays, lane, lanes, adds, last};
        multiply_panels<Panels, activation>(units, there, streams, part, e);
      } else {
        const Part part{lane, lanes, block.begin + from, stays, adds, last};
        multiply_panels<Panels, activation>(units, streams, there, part, e);
      }
      for (int64_t g = groups * task / tasks; g < groups * (task + 1) / tasks; ++g) pack_group(after, g);
    });
    block = after;
  }
  ctx.multiply_adds += m * n * depth;
}

}  // namespace burgeon::BURGEON_ISA
