// What every op receives besides its operands: threads, scratch memory and the count of multiply-adds it performed.
// Included by files that are compiled once per instruction set, so it defines no inline functions.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace burgeon {

class ThreadPool;
class OpLog;

struct OpContext {
  ThreadPool* pool;
  char* shared_scratch;         // 64-byte aligned, ScratchSize::shared bytes, contents undefined
  char* thread_scratch;         // thread i owns thread_scratch_bytes from i * thread_scratch_bytes
  size_t thread_scratch_bytes;  // ScratchSize::per_thread
  int64_t multiply_adds;        // matrix products add what they executed; attention counts the causal triangle
  void* queue = nullptr;        // of a device that has one: a CUDA stream
  OpLog* log = nullptr;         // where timed ops note themselves (backend/timed.h)
};

// ThreadPool::run for files that must not include its header (see kernels/cpu/simd.h).
void run_on_pool(ThreadPool* pool, int64_t lead, int64_t rest, void (*task)(void*, int64_t, int), void* argument);
int64_t pool_size(const ThreadPool* pool);

// The largest operands a context must serve.
struct ScratchShape {
  int64_t rows;             // tokens of a batch, N
  int64_t sequence_length;  // T
  int64_t width;            // C
  int64_t wide;             // widest row of activations: max((NH + 2 KV) HS, F)
  int64_t head_size;        // HS
  int64_t vocabulary = 1;   // V
  int64_t blocks = 1;       // of rows, of all tensors (model/row_shards.h)
  int64_t parameters = 1;   // elements of all of them
};

struct ScratchSize {
  size_t shared;
  size_t per_thread;
};

}  // namespace burgeon
