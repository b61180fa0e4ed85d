// Packed matrix products: C (m, n) = A (m, k) B (k, n), by the five loops of GotoBLAS and BLIS around a micro-kernel
// (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008; Van Zee and van de Geijn, BLIS,
// 2015). Both operands are copied into panels that are multiplied from contiguous memory; packing is where the list of
// active rows is applied and float32 becomes bfloat16, so a sampled product is a smaller dense product with no gather
// of its own. Sums are float32 until they are whole.
//
// The operand with fewer lanes, rows of A or columns of B, is resident: a block of it is packed once. The other streams
// past it: a thread packs a few of its lanes for itself and multiplies them at once. So cores write little that others
// read: rewriting a cache line that another core has read is slow, 11 GB/s where they share a third-level cache and 2
// where they do not. kc depends on the shape alone, so each output sums in one order whatever the number of threads.
//
//   loop 5  blocks of the resident operand: mc rows of A or nc columns of B      multiply_blocks
//   loop 4  blocks of k: kc; here resident panels are packed                     multiply_blocks
//   loop 3  streamed lanes: nc or mc of them; the tasks of the threads           stream_past, multiply_task
//   loop 2  panels of A: mr rows                                                 macro_kernel.h
//   loop 1  panels of B: nr columns                                              macro_kernel.h
//           the micro-kernel: an mr x nr micro-tile of C over kc                 micro_kernel.h
//
// Loops 2 and 1 are the other way round than in BLIS, so that a panel of A is what the first-level cache keeps.
#pragma once

#include "kernels/cpu/macro_kernel.h"
#include "kernels/cpu/packing.h"

namespace burgeon::BURGEON_ISA {

// Scratch of products whose bias may be gathered from `row_count` numbers; of those whose outputs may be bfloat16,
// `width` is the largest k.
constexpr int64_t kPackedFloats = 2 * 1536 * 384;  // of it, shared, at least
template <class T>
ScratchSize product_scratch(int64_t row_count, int64_t width) {
  using Kernel = typename LargeKernel<OperandOf<T>>::Kernel;
  const int64_t kc_units = larger(Kernel::kKcUnits, most_kc_units<Kernel, T>(width));
  const int64_t packed_floats = larger(kPackedFloats, Blocking<Kernel>::shared_floats(kc_units));
  return {static_cast<size_t>(bias_floats(row_count) + packed_floats) * sizeof(float),
          static_cast<size_t>(Blocking<Kernel>::thread_floats(kc_units)) * sizeof(float)};
}

// Few threads each pack a copy of the resident operand, before their first task of a block. More share one: the next
// block is packed while one is computed, a few panels after each task. Threads meet once per block.
template <class Kernel, Activation activation, class A, class B, class T>
class Product {
 public:
  Product(OpContext& ctx, int64_t m, int64_t n, int64_t k, const A& a, const B& b, const Epilogue<T>& epilogue)
      : ctx_(ctx),
        threads_(pool_size(ctx.pool)),
        blocking_(m, n, k, most_kc_units<Kernel, T>(k), threads_),
        packing_{blocking_, a, b},
        epilogue_(epilogue),
        packed_(reinterpret_cast<float*>(ctx.shared_scratch) + epilogue.gathered),
        has_copies_(threads_ <= Kernel::kMostCopies) {}

  // Loops 5 and 4: resident blocks, those of k one after the other.
  void multiply_blocks() {
    const int64_t count = blocking_.block_count();
    ResidentBlock block = block_at(0);
    if (!has_copies_) {
      parallel_for(ctx_, packing_.groups_of(block), [&](int64_t group, int) { packing_.pack_group(block, group); });
    }
    for (int64_t i = 0; i < count; ++i) {
      const ResidentBlock next = block_at((i + 1) % count);
      stream_past(block, next, i + 1 == count);
      block = next;
    }
  }

  Product(const Product&) = delete;  // packing_ refers to blocking_

 private:
  // One pass of loop 3: everything that streams past a resident block. A task is some lanes of the streamed operand and
  // one of the parts of the block.
  struct Pass {
    const ResidentBlock& block;
    const ResidentBlock& next;
    bool is_last;
    int64_t groups;  // of panels of the next block, packed meanwhile
    Partition parts;
    int64_t tasks;
  };

  ResidentBlock block_at(int64_t i) const {
    return blocking_.block(i, packed_ + (has_copies_ ? 0 : i % 2 * blocking_.block_floats()));
  }

  // Loop 3, on the pool.
  void stream_past(const ResidentBlock& block, const ResidentBlock& next, bool is_last) {
    const Partition parts = blocking_.parts(block);
    const Pass pass{block,   next,
                    is_last, has_copies_ || is_last ? 0 : packing_.groups_of(next),
                    parts,   blocking_.streamed.count * parts.count};
    parallel_for(ctx_, pass.tasks, [&](int64_t task, int thread) { multiply_task(pass, task, thread); });
  }

  void multiply_task(const Pass& pass, int64_t task, int thread) {
    const ResidentBlock& block = pass.block;
    const float* const resident = resident_panels(block, thread);
    // Pack what streams past, for this thread alone.
    float* const streamed = scratch_of(ctx_, thread);
    const int64_t stream = task / pass.parts.count, part = task % pass.parts.count;
    const int64_t lane = blocking_.streamed.begin(stream), lanes = blocking_.streamed.length(stream);
    packing_.pack_streamed(streamed, lane, lanes, block);
    // Multiply it with a part of the resident block: loops 2 and 1.
    const auto next = next_packing(pass, task, thread);
    const typename Kernel::Scope scope;
    const int64_t kc_units = Kernel::PanelA::units(block.kc);
    const int64_t from = pass.parts.begin(part), count = pass.parts.length(part);
    const float* const panels = resident + from * kc_units;
    const bool adds = block.k0 > 0 || epilogue_.add, last = block.k0 + block.kc == blocking_.k;
    if (blocking_.a_is_resident) {
      const BlockOfC c{block.lane + from, count, lane, lanes, adds, last};
      macro_kernel<Kernel, activation>(kc_units, panels, streamed, c, epilogue_, next);
    } else {
      const BlockOfC c{lane, lanes, block.lane + from, count, adds, last};
      macro_kernel<Kernel, activation>(kc_units, streamed, panels, c, epilogue_, next);
    }
    // Pack a share of the next resident block.
    next.pack_groups();
  }

  // Where the block is packed: by all threads before, or by this one now, into its copy.
  const float* resident_panels(ResidentBlock block, int thread) {
    if (!has_copies_) return block.packed;
    block.packed += thread * blocking_.block_floats();
    if (copied_[thread] <= block.index) {
      packing_.pack_resident(block);
      copied_[thread] = block.index + 1;
    }
    return block.packed;
  }

  // A thread starts on a contiguous share of the tasks (core/thread_pool.h); after it comes its share of the next
  // block.
  NextPacking<Kernel, A, B> next_packing(const Pass& pass, int64_t task, int thread) const {
    const bool share_ends = task + 1 == pass.tasks * (thread + 1) / threads_;
    const int64_t next_task = share_ends ? pass.tasks * thread / threads_ : task + 1;
    const Partition& streamed = blocking_.streamed;
    const int64_t stream = next_task / pass.parts.count;
    const bool has_other_lanes = stream != task / pass.parts.count && stream < streamed.count;
    return {packing_,
            pass.next,
            pass.groups * task / pass.tasks,
            pass.groups * (task + 1) / pass.tasks,
            share_ends ? pass.next : pass.block,
            streamed.begin(stream),
            streamed.length(stream),
            share_ends ? !pass.is_last : has_other_lanes};
  }

  OpContext& ctx_;
  const int64_t threads_;
  const Blocking<Kernel> blocking_;
  const Packing<Kernel, A, B> packing_;
  const Epilogue<T>& epilogue_;
  float* const packed_;
  const bool has_copies_;
  int64_t copied_[Kernel::kMostCopies + 1] = {};  // how many blocks, by each thread
};

template <class Operand, Activation activation, class A, class B, class T>
void multiply(OpContext& ctx, int64_t m, int64_t n, int64_t k, const A& a, const B& b, const Epilogue<T>& epilogue) {
  using Kernel = typename LargeKernel<Operand>::Kernel;
  Product<Kernel, activation, A, B, T>(ctx, m, n, k, a, b, epilogue).multiply_blocks();
  ctx.multiply_adds += m * n * k;
}

}  // namespace burgeon::BURGEON_ISA
