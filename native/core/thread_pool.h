// A small persistent pool for fork-join loops. Every thread starts on its own contiguous share of the tasks, so that
// from loop to loop the same core meets the same rows, and then takes from the others what they have left. Which thread
// runs a task is thus left to chance; tasks are written so that their results do not depend on it (each output element
// has one owner and one order of summation).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace burgeon {

class ThreadPool {
 public:
  // Runs one task: `argument` as given to run(), the task's number, and the thread's number in [0, size()).
  using Task = void (*)(void* argument, int64_t task, int thread);

  // Throws Error(kBackend) when the system refuses to start that many threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(argument, i, thread) for every i in [0, lead + rest) and returns when all are done. The caller takes
  // part. Threads share out [0, lead) and [lead, lead + rest) each, and start with the former. Tasks take denormal
  // numbers for zero. Not reentrant: one run at a time per pool. Tasks must not throw.
  void run(int64_t lead, int64_t rest, Task task, void* argument);
  void run(int64_t count, Task task, void* argument) { run(count, 0, task, argument); }

 private:
  void stop();
  void work(int thread);
  void drain(int thread);

  // What is left of one thread's share; on a cache line of its own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  std::vector<Share> shares_;  // of every thread: lead, rest
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> stopping_{false};
  // Workers inside the current loop, and whether it is closed: a worker that comes too late to be of use is not waited
  // for, because waking it may take longer than the loop.
  static constexpr int kClosed = 1 << 30;
  std::atomic<int> inside_{kClosed};
  Task task_ = nullptr;
  void* argument_ = nullptr;
};

}  // namespace burgeon
