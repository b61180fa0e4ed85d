// How a product is blocked, in the terms of GotoBLAS and BLIS: m is cut into blocks of mc rows, n of nc columns, k of
// kc. Either operand may be the resident one, so mc and nc are here lengths of the resident and of the streamed
// operand: with A resident, a resident block has mc lanes and nc stream past it at a time; with B resident, the
// reverse.
#pragma once

#include "kernels/cpu/micro_kernel.h"

namespace burgeon::BURGEON_ISA {

// [0, total) in `count` blocks, each a multiple of `step` but the last, that differ by at most one step.
struct Partition {
  int64_t total;
  int64_t step;
  int64_t count;
  Partition(int64_t length, int64_t size, int64_t wanted)
      : total(length), step(size), count(smaller(wanted, ceil_div(length, size))) {}
  int64_t begin(int64_t i) const { return smaller(total, ceil_div(total, step) * i / count * step); }
  int64_t length(int64_t i) const { return begin(i + 1) - begin(i); }
  int64_t longest() const { return ceil_div(ceil_div(total, step), count) * step; }
};

// A block of the resident operand: its lanes (rows of A or columns of B), its range of k, and where it is packed.
struct ResidentBlock {
  int64_t index;  // in the order of the loops
  int64_t lane;
  int64_t lanes;
  int64_t k0;
  int64_t kc;
  float* packed;
};

// Outputs in bfloat16 cannot hold partial sums, so kc is then all of k. Of other outputs k is cut.
template <class Kernel, class T>
int64_t most_kc_units(int64_t k) {
  return sizeof(T) < sizeof(float) ? Kernel::PanelA::units(k) : Kernel::kKcUnits;
}

template <class Kernel>
struct Blocking {
  // At least so many lanes are resident where kc is very large, and a panel streams past them at a time.
  static constexpr int64_t kMinResidentLanes = 192;
  static constexpr int64_t kMinStreamedLanes = Kernel::kMr > Kernel::kNr ? Kernel::kMr : Kernel::kNr;
  static constexpr int64_t kMostStreamedLanes = 96;
  static constexpr int64_t kTasksPerThread = 4;  // wanted
  // Panels that are packed together are never cut.
  static constexpr int64_t kPackedRows = Kernel::kPackedA * Kernel::kMr;
  static constexpr int64_t kPackedCols = Kernel::kPackedB * Kernel::kNr;
  static_assert(kMinResidentLanes % kPackedRows == 0 && kMinResidentLanes % kPackedCols == 0);
  static_assert(kMostStreamedLanes % Kernel::kMr == 0 && kMostStreamedLanes % Kernel::kNr == 0);

  // Scratch for a kc of up to so many units: two resident blocks (copies, or in turns), and what each thread streams.
  static int64_t shared_floats(int64_t kc_units) {
    return 2 * larger(Kernel::kResidentFloats, kMinResidentLanes * kc_units);
  }
  static int64_t thread_floats(int64_t kc_units) {
    return larger(Kernel::kStreamedFloats, kMinStreamedLanes * kc_units);
  }

  int64_t kc_units;
  bool a_is_resident;    // the operand with fewer lanes is
  int64_t packed_lanes;  // of the resident operand, packed at a time
  int64_t k, kc;
  Partition resident;  // into blocks of mc rows of A, or of nc columns of B
  Partition streamed;  // into what streams past them at a time: nc columns of B, or mc rows of A
  int64_t across;      // tasks that stream the same lanes past different parts of a resident block

  // Fewer lanes stream at a time where there are few, so that there is something for every thread; where that is not
  // enough, they also share out the resident block.
  Blocking(int64_t m, int64_t n, int64_t depth, int64_t most_units, int64_t threads)
      : kc_units(smaller(most_units, Kernel::PanelA::units(depth))),
        a_is_resident(m <= n),
        packed_lanes(a_is_resident ? kPackedRows : kPackedCols),
        k(depth),
        kc(Kernel::PanelA::depth(kc_units)),
        resident(smaller(m, n), packed_lanes, ceil_div(smaller(m, n), resident_lanes())),
        streamed(larger(m, n), streamed_step(),
                 threads * larger(kTasksPerThread, ceil_div(larger(m, n), threads * streamed_lanes()))),
        across(larger(1, smaller(threads * kTasksPerThread / streamed.count, resident.longest() / kMinResidentLanes))) {
  }

  // Resident blocks: those of k follow each other, so that each output adds up in one order.
  int64_t block_count() const { return resident.count * k_blocks(); }
  int64_t block_floats() const { return resident.longest() * kc_units; }
  ResidentBlock block(int64_t i, float* packed) const {
    const int64_t lanes = i / k_blocks(), k0 = i % k_blocks() * kc;
    return {i, resident.begin(lanes), resident.length(lanes), k0, smaller(kc, k - k0), packed};
  }
  // A block in parts of whole panels, for the tasks that share it out.
  Partition parts(const ResidentBlock& block) const {
    return Partition(block.lanes, a_is_resident ? Kernel::kMr : Kernel::kNr, across);
  }

 private:
  int64_t k_blocks() const { return ceil_div(k, kc); }
  int64_t resident_lanes() const {
    return larger(Kernel::kResidentFloats / kc_units / packed_lanes * packed_lanes, kMinResidentLanes);
  }
  int64_t streamed_step() const { return a_is_resident ? Kernel::kNr : Kernel::kMr; }
  int64_t streamed_lanes() const {
    const int64_t step = streamed_step();
    return smaller(larger(Kernel::kStreamedFloats / kc_units / step * step, step), kMostStreamedLanes);
  }
};

}  // namespace burgeon::BURGEON_ISA
