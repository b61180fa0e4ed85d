// A small persistent pool for fork-join loops. Which thread runs a task is left to chance; tasks are therefore written
// so that their results do not depend on it (each output element has one owner and one order of summation).
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

  // Calls task(argument, i, thread) for every i in [0, count) and returns when all are done. The caller takes part.
  // Not reentrant: one run at a time per pool. Tasks must not throw.
  void run(int64_t count, Task task, void* argument);

 private:
  void stop();
  void work(int thread);
  void drain(int thread);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> next_{0};
  std::atomic<int> running_{0};
  int64_t count_ = 0;
  Task task_ = nullptr;
  void* argument_ = nullptr;
};

}  // namespace burgeon
