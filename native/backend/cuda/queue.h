// What ops of the CUDA table find in OpContext::queue: the stream of one device, and whatever went wrong on it first.
// After a failure nothing more is queued, and every call that can say so says so.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/library/library_products.h"
#include "backend/cuda/staging.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/stream.h"

namespace burgeon::cuda {

struct Queue {
  int device = 0;
  Stream stream = nullptr;
  std::unique_ptr<LibraryProducts> products;  // null: kernels compute them
  Staging staging;
  void* table = nullptr;                              // for launches on many parts (row_parts.cuh)
  std::vector<Event> events = std::vector<Event>(8);  // of the newest marks, made when first needed
  int64_t marks = 0;
  std::string failure;  // of the first call that failed; empty: none has
};

// Runs work() with the queue's device as the calling thread's, unless something failed before. Does not throw.
template <class Work>
void attempt(Queue& queue, Work work) noexcept {
  if (!queue.failure.empty()) return;
  try {
    use_device(queue.device);
    work();
  } catch (const std::exception& error) {
    queue.failure = error.what();
    // Memory cannot be freed by a thread that is recording.
    abandon_recording(queue.stream);
  }
}

}  // namespace burgeon::cuda
