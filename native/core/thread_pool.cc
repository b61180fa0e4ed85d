#include "core/thread_pool.h"

#include <chrono>
#include <string>
#include <system_error>

#include "core/denormals_are_zero.h"
#include "core/error.h"
#include "core/op_context.h"

namespace burgeon {

namespace {

// Workers spin this long for the next loop before they sleep: the gaps inside a step are a few microseconds and a wake
// costs 50 and more, while the gaps between steps should leave the cores to the host program.
constexpr auto kSpin = std::chrono::microseconds(100);

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Condition>
bool spin_until(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (condition()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(2 * static_cast<size_t>(threads)) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error& error) {
    // No destructor runs for what was never constructed, and a thread left behind would end the process.
    const std::string started = std::to_string(size());
    stop();
    throw Error(ErrorCode::kBackend, "threads: expected to start " + std::to_string(threads) + ", the system allows " +
                                         started + " (" + error.what() + "); use fewer threads");
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    ++generation_;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t lead, int64_t rest, Task task, void* argument) {
  const DenormalsAreZero mode;
  if (workers_.empty() || lead + rest <= 1) {
    for (int64_t i = 0; i < lead + rest; ++i) task(argument, i, 0);
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const int64_t threads = size();
    for (int64_t t = 0; t < threads; ++t) {
      const auto give = [](Share& share, int64_t begin, int64_t end) {
        share.next.store(begin, std::memory_order_relaxed);
        share.end = end;
      };
      give(shares_[2 * t], lead * t / threads, lead * (t + 1) / threads);
      give(shares_[2 * t + 1], lead + rest * t / threads, lead + rest * (t + 1) / threads);
    }
    task_ = task;
    argument_ = argument;
    inside_.fetch_and(~kClosed, std::memory_order_release);
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  drain(0);
  inside_.fetch_or(kClosed, std::memory_order_acq_rel);
  // A worker may hold its last task; yield rather than burn the core if the machine is busy with other work.
  const auto alone = [this] { return inside_.load(std::memory_order_acquire) == kClosed; };
  while (!spin_until(alone)) std::this_thread::yield();
}

void ThreadPool::drain(int thread) {
  const size_t count = shares_.size();
  for (size_t k = 0; k < count; ++k) {
    Share& share = shares_[(2 * static_cast<size_t>(thread) + k) % count];
    for (int64_t i; (i = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) task_(argument_, i, thread);
  }
}

void ThreadPool::work(int thread) {
  const DenormalsAreZero mode;
  uint64_t seen = 0;
  while (true) {
    const auto changed = [&] { return generation_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(changed)) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, changed);
    }
    if (stopping_) return;
    seen = generation_.load(std::memory_order_acquire);
    // Whoever enters an open loop is waited for, so task, argument and shares stay as they are until it leaves.
    if ((inside_.fetch_add(1, std::memory_order_acq_rel) & kClosed) == 0) drain(thread);
    inside_.fetch_sub(1, std::memory_order_release);
  }
}

void run_on_pool(ThreadPool* pool, int64_t lead, int64_t rest, void (*task)(void*, int64_t, int), void* argument) {
  pool->run(lead, rest, task, argument);
}

int64_t pool_size(const ThreadPool* pool) { return pool->size(); }

}  // namespace burgeon
