// Packing of both operands of a product into panels, and prefetching of what packing will read.
#pragma once

#include "kernels/cpu/blocking.h"

namespace burgeon::BURGEON_ISA {

constexpr int64_t kPrefetchParts = 96;  // in which what is packed at once is prefetched before

template <class Kernel, class A, class B>
struct Packing {
  using PanelA = typename Kernel::PanelA;
  using PanelB = typename Kernel::PanelB;

  const Blocking<Kernel>& blocking;
  const A& a;
  const B& b;

  // Lanes of the streamed operand, over the range of k of a resident block.
  void pack_streamed(float* to, int64_t lane, int64_t lanes, const ResidentBlock& block) const {
    pack(!blocking.a_is_resident, to, lane, lanes, block);
  }
  BURGEON_INLINE void fetch_streamed(int64_t lane, int64_t lanes, const ResidentBlock& block, int64_t part) const {
    fetch(!blocking.a_is_resident, lane, lanes, block, part);
  }

  // A resident block is packed in groups of panels.
  int64_t groups_of(const ResidentBlock& block) const { return ceil_div(block.lanes, blocking.packed_lanes); }
  void pack_group(const ResidentBlock& block, int64_t group) const {
    const int64_t lane = group * blocking.packed_lanes;
    pack(blocking.a_is_resident, block.packed + lane * PanelA::units(block.kc), block.lane + lane,
         lanes_of_group(block, group), block);
  }
  void pack_resident(const ResidentBlock& block) const {
    for (int64_t group = 0; group < groups_of(block); ++group) pack_group(block, group);
  }
  BURGEON_INLINE void fetch_group(const ResidentBlock& block, int64_t group, int64_t part) const {
    fetch(blocking.a_is_resident, block.lane + group * blocking.packed_lanes, lanes_of_group(block, group), block,
          part);
  }

 private:
  // Lanes are rows of A (`of_a`) or columns of B.
  void pack(bool of_a, float* to, int64_t lane, int64_t lanes, const ResidentBlock& block) const {
    if (of_a) {
      pack_panels<PanelA, Kernel::kPackedA>(a, to, lane, lanes, block.k0, block.kc);
    } else {
      pack_panels<PanelB, Kernel::kPackedB>(b, to, lane, lanes, block.k0, block.kc);
    }
  }
  template <class Panel, int kPanels, class Matrix>
  static void pack_panels(const Matrix& matrix, float* to, int64_t lane, int64_t lanes, int64_t k0, int64_t kc) {
    constexpr int64_t kLanes = kPanels * Panel::kLanes;
    for (int64_t first = 0; first < lanes; first += kLanes) {
      const int64_t left = lanes - first;
      matrix.template pack<Panel>(to + first * Panel::units(kc), smaller(kPanels, ceil_div(left, Panel::kLanes)),
                                  lane + first, left, k0, kc);
    }
  }
  // Part `part` of kPrefetchParts of what packing these lanes will read.
  BURGEON_INLINE void fetch(bool of_a, int64_t lane, int64_t lanes, const ResidentBlock& block, int64_t part) const {
    if (of_a) {
      a.template fetch<PanelA::kLanes>(lane, lanes, block.k0, block.kc, part, kPrefetchParts);
    } else {
      b.template fetch<PanelB::kLanes>(lane, lanes, block.k0, block.kc, part, kPrefetchParts);
    }
  }
  int64_t lanes_of_group(const ResidentBlock& block, int64_t group) const {
    return smaller(blocking.packed_lanes, block.lanes - group * blocking.packed_lanes);
  }
};

// What a thread packs after a task, and prefetches during it: groups [begin, end) of panels of the next resident block;
// and then, if no other thread takes it, the streamed lanes of its next task.
template <class Kernel, class A, class B>
struct NextPacking {
  const Packing<Kernel, A, B>& packing;
  const ResidentBlock& resident;
  int64_t begin, end;
  const ResidentBlock& block;  // that the next task multiplies
  int64_t lane, lanes;         // that it streams
  bool has_task;

  // To be fetched a little at a time between micro-tiles.
  int64_t parts() const { return (end - begin + has_task) * kPrefetchParts; }
  BURGEON_INLINE void fetch(int64_t part) const {
    const int64_t group = begin + part / kPrefetchParts;
    if (group < end) {
      packing.fetch_group(resident, group, part % kPrefetchParts);
    } else {
      packing.fetch_streamed(lane, lanes, block, part % kPrefetchParts);
    }
  }
  void pack_groups() const {
    for (int64_t group = begin; group < end; ++group) packing.pack_group(resident, group);
  }
};

}  // namespace burgeon::BURGEON_ISA
