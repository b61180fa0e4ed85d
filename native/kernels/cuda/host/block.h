// One block of threads on the host: fibers that take turns in an order that a seed shuffles, and meet at barriers and
// warp operations. What CUDA leaves undefined is made visible: shared memory and the targets of copies in flight are
// NaN, threads that meet at different places are an error, and so are ends of arrays, misaligned addresses and copies
// nobody waited for. A missing barrier shows as results that depend on the seed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/host/fiber.h"

namespace burgeon::cuda::host {

class AsyncUnits;

constexpr int kWarp = 32;

// The place of a block, or how many there are.
struct Place {
  int x;
  int y;
  int z;
};

// A schedule that its seed alone decides.
class Schedule {
 public:
  explicit Schedule(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next();
  int below(int count) { return static_cast<int>(next() >> 33) % count; }

 private:
  uint64_t state_;
};

class Block {
 public:
  Block(int threads, size_t dynamic_bytes, uint64_t seed);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Runs the kernel for every thread of the block at this place. Throws Error(kCuda) that says what the kernel did.
  void run(Place place, Place grid, const std::function<void()>& kernel);

  // The rest is for the running thread.
  static Block& current();
  int thread() const { return running_; }
  int threads() const { return threads_; }
  const Place& place() const { return place_; }
  const Place& grid() const { return grid_; }
  // All threads of the block must come to the same line.
  void barrier(int line);
  // So many threads must come to the barrier of this number, 1 to 15.
  void named_barrier(int id, int threads);
  // All threads of the warp must come with the same operation; combine(arguments of the 32 lanes) runs once.
  void warp_operation(const char* name, void* argument, void (*combine)(void** lanes));
  // Sleeps until another thread, or an asynchronous unit, wakes those that sleep on the same thing.
  void sleep(const void* on, const char* what);
  void wake(const void* on);
  void* dynamic_shared() { return dynamic_.begin(); }
  size_t dynamic_bytes() const { return dynamic_.bytes; }
  // The array that belongs to a declaration, which its key stands for.
  void* shared(const void* key, size_t bytes);
  // Copies of `size` bytes, 4 or 16, of which `bytes` are read and the others zero; in groups, as cp.async.
  void copy_async(void* to, int size, const void* from, int bytes);
  void commit_copies();
  void wait_for_copies(int groups_left);
  AsyncUnits& units() { return *units_; }
  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Copy {
    void* to;
    int size;
    const void* from;
    int bytes;
    unsigned char early[16];  // what was there when the copy was ordered
    bool is_early;            // whether it is that which arrives
  };
  struct Thread {
    std::unique_ptr<Fiber> fiber;
    int barrier_line = 0;             // 0: not waiting at one
    const char* operation = nullptr;  // null: not waiting for its warp
    void* argument = nullptr;
    const void* sleeps_on = nullptr;
    const char* sleeps_at = nullptr;
    int groups = 0;  // committed
    std::vector<std::pair<int, Copy>> copies;
  };
  // Bytes between words that must not change.
  struct Array {
    const void* key = nullptr;
    std::unique_ptr<unsigned char[]> memory;
    size_t bytes = 0;
    size_t alignment = 128;
    unsigned char* begin();
    void allocate(size_t count);
    void poison();
    bool intact();
  };
  struct Failure {};

  void body();
  void yield();
  int pick();
  void make_ready(int thread);
  void release_barrier();
  void let_units_work();
  std::string waiting() const;
  void redraw_priorities();

  int threads_;
  Schedule schedule_;
  bool racing_ = false;
  bool hasty_ = false;      // those who are woken go first, to do what they must not do yet
  std::vector<int> woken_;  // if so
  Place place_{};
  Place grid_{};
  const std::function<void()>* kernel_ = nullptr;
  std::function<void()> entry_;
  std::vector<Thread> all_;
  std::vector<std::vector<int>> ready_;  // by warp
  std::vector<uint64_t> priority_;       // of warps, where they race
  std::vector<int> arrived_;             // lanes of each warp at its operation
  int ready_count_ = 0;
  int alive_ = 0;
  int at_barrier_ = 0;
  int running_ = 0;
  int named_arrivals_[16] = {};
  int named_threads_[16] = {};
  int patience_;  // of the asynchronous units: of how many turns they take one; 0: when nothing else can go on
  std::unique_ptr<AsyncUnits> units_;
  Array dynamic_;
  std::vector<Array> arrays_;
  mutable std::string failure_;
};

}  // namespace burgeon::cuda::host
