#include "kernels/cuda/host/block.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "kernels/cuda/host/async_units.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#endif

namespace burgeon::cuda::host {

namespace {

constexpr size_t kGuard = 128;
constexpr unsigned char kGuardByte = 0xab;
constexpr unsigned char kPoison = 0xff;  // NaN as a float and as a bfloat16, -1 as an integer

thread_local Block* running_block = nullptr;
thread_local std::vector<std::unique_ptr<Fiber>> idle_fibers;  // stacks take long to make

[[maybe_unused]] bool all_equal(const unsigned char* bytes, size_t count, unsigned char value) {
  return std::all_of(bytes, bytes + count, [value](unsigned char byte) { return byte == value; });
}

}  // namespace

// SplitMix64 (Steele, Lea and Flood, 2014).
uint64_t Schedule::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

unsigned char* Block::Array::begin() {
  const auto address = reinterpret_cast<uintptr_t>(memory.get()) + kGuard;
  return reinterpret_cast<unsigned char*>((address + alignment - 1) / alignment * alignment);
}

void Block::Array::allocate(size_t count) {
  bytes = count;
  memory.reset(new unsigned char[count + 2 * kGuard + alignment]);
  std::memset(begin() - kGuard, kGuardByte, kGuard);
  std::memset(begin() + bytes, kGuardByte, kGuard);
  ASAN_POISON_MEMORY_REGION(begin() - kGuard, kGuard);
  ASAN_POISON_MEMORY_REGION(begin() + bytes, kGuard);
}

void Block::Array::poison() { std::memset(begin(), kPoison, bytes); }

bool Block::Array::intact() {
#if defined(__SANITIZE_ADDRESS__)
  return true;  // a touch has already been reported
#else
  return all_equal(begin() - kGuard, kGuard, kGuardByte) && all_equal(begin() + bytes, kGuard, kGuardByte);
#endif
}

Block::Block(int threads, size_t dynamic_bytes, uint64_t seed) : threads_(threads), schedule_(seed) {
  if (threads < kWarp || threads > 1024 || threads % kWarp != 0) {
    throw Error(ErrorCode::kCuda,
                "a block of " + std::to_string(threads) + " threads: expected a multiple of 32 between 32 and 1024");
  }
  racing_ = schedule_.below(2) == 1;
  hasty_ = schedule_.below(2) == 1;
  constexpr int kPatience[] = {4, 64, 0};
  patience_ = kPatience[schedule_.below(3)];
  units_ = std::make_unique<AsyncUnits>(*this, schedule_, threads / kWarp);
  entry_ = [this] { body(); };
  all_.resize(threads);
  for (Thread& thread : all_) {
    if (idle_fibers.empty()) idle_fibers.push_back(std::make_unique<Fiber>());
    thread.fiber = std::move(idle_fibers.back());
    idle_fibers.pop_back();
  }
  ready_.resize(threads / kWarp);
  priority_.resize(threads / kWarp);
  dynamic_.alignment = kSharedWindow;
  dynamic_.allocate(dynamic_bytes);
}

Block::~Block() {
  for (Thread& thread : all_) idle_fibers.push_back(std::move(thread.fiber));
}

Block& Block::current() { return *running_block; }

void Block::body() {
  try {
    (*kernel_)();
    if (!all_[running_].copies.empty()) fail("the kernel ended before its asynchronous copies were waited for");
  } catch (const Failure&) {
  }
}

void Block::run(Place place, Place grid, const std::function<void()>& kernel) {
  place_ = place;
  grid_ = grid;
  kernel_ = &kernel;
  failure_.clear();
  dynamic_.poison();
  for (Array& array : arrays_) array.poison();
  arrived_.assign(threads_ / kWarp, 0);
  for (auto& list : ready_) list.clear();
  ready_count_ = 0;
  woken_.clear();
  at_barrier_ = 0;
  alive_ = threads_;
  std::fill(std::begin(named_arrivals_), std::end(named_arrivals_), 0);
  units_->start();
  redraw_priorities();
  for (int i = 0; i < threads_; ++i) {
    Thread& thread = all_[i];
    thread.barrier_line = 0;
    thread.operation = nullptr;
    thread.sleeps_on = nullptr;
    thread.groups = 0;
    thread.copies.clear();
    thread.fiber->start(entry_);
    make_ready(i);
  }
  Block* const outer = running_block;
  running_block = this;
  while (alive_ > 0 && failure_.empty()) {
    if (!units_->idle() && (ready_count_ == 0 || (patience_ > 0 && schedule_.below(patience_) == 0))) {
      let_units_work();
      continue;
    }
    if (ready_count_ == 0) {
      failure_ = "threads wait for each other: " + waiting();
      break;
    }
    running_ = pick();
    Fiber& fiber = *all_[running_].fiber;
    fiber.resume();
    if (fiber.ended()) --alive_;
  }
  if (failure_.empty()) failure_ = units_->left_behind();
  running_block = outer;
  if (!dynamic_.intact()) failure_ = "dynamic shared memory was written beyond its ends";
  for (Array& array : arrays_) {
    if (!array.intact()) failure_ = "a shared array was written beyond its ends";
  }
  if (!failure_.empty()) {
    throw Error(ErrorCode::kCuda, "block (" + std::to_string(place.x) + ", " + std::to_string(place.y) + ", " +
                                      std::to_string(place.z) + "): " + failure_);
  }
}

void Block::let_units_work() {
  try {
    units_->work();
  } catch (const Failure&) {
  }
}

// Either any thread that can go on, or the one of the leading warp: warps then run ahead of each other as far as they
// may.
int Block::pick() {
  if (!woken_.empty()) {
    const int thread = woken_.back();
    woken_.pop_back();
    --ready_count_;
    return thread;
  }
  size_t warp = 0;
  if (racing_) {
    for (size_t w = 1; w < ready_.size(); ++w) {
      if (ready_[warp].empty() || (!ready_[w].empty() && priority_[w] > priority_[warp])) warp = w;
    }
  } else {
    int skipped = schedule_.below(ready_count_);
    while (skipped >= static_cast<int>(ready_[warp].size())) skipped -= static_cast<int>(ready_[warp++].size());
  }
  auto& list = ready_[warp];
  const int index = schedule_.below(static_cast<int>(list.size()));
  const int thread = list[index];
  list[index] = list.back();
  list.pop_back();
  --ready_count_;
  return thread;
}

void Block::redraw_priorities() {
  for (uint64_t& priority : priority_) priority = schedule_.next();
}

void Block::make_ready(int thread) {
  ready_[thread / kWarp].push_back(thread);
  ++ready_count_;
}

void Block::yield() {
  const int self = running_;
  all_[self].fiber->yield();
  running_ = self;
}

void Block::barrier(int line) {
  Thread& self = all_[running_];
  for (const Thread& other : all_) {
    if (other.barrier_line == 0) continue;
    if (other.barrier_line != line) {
      fail("threads wait at different barriers, lines " + std::to_string(std::min(line, other.barrier_line)) + " and " +
           std::to_string(std::max(line, other.barrier_line)));
    }
    break;
  }
  self.barrier_line = line;
  if (++at_barrier_ == threads_) release_barrier();
  yield();
}

void Block::release_barrier() {
  at_barrier_ = 0;
  redraw_priorities();
  for (int i = 0; i < threads_; ++i) {
    all_[i].barrier_line = 0;
    make_ready(i);
  }
}

void Block::named_barrier(int id, int threads) {
  if (id < 1 || id > 15 || threads % kWarp != 0) fail("a named barrier is 1 to 15, for whole warps");
  if (named_arrivals_[id] > 0 && named_threads_[id] != threads) {
    fail("threads expect different numbers at barrier " + std::to_string(id));
  }
  named_threads_[id] = threads;
  if (++named_arrivals_[id] < threads) return sleep(&named_arrivals_[id], "a named barrier");
  named_arrivals_[id] = 0;
  redraw_priorities();
  wake(&named_arrivals_[id]);
}

void Block::sleep(const void* on, const char* what) {
  all_[running_].sleeps_on = on;
  all_[running_].sleeps_at = what;
  yield();
}

void Block::wake(const void* on) {
  for (int i = 0; i < threads_; ++i) {
    if (all_[i].sleeps_on != on) continue;
    all_[i].sleeps_on = nullptr;
    if (hasty_) {
      woken_.push_back(i);
      ++ready_count_;
    } else {
      make_ready(i);
    }
  }
}

void Block::warp_operation(const char* name, void* argument, void (*combine)(void** lanes)) {
  const int warp = running_ / kWarp;
  Thread& self = all_[running_];
  self.operation = name;
  self.argument = argument;
  if (++arrived_[warp] == kWarp) {
    void* lanes[kWarp];
    for (int lane = 0; lane < kWarp; ++lane) {
      Thread& other = all_[warp * kWarp + lane];
      if (std::strcmp(other.operation, name) != 0) {
        fail(std::string("lanes of a warp came to different operations, ") + other.operation + " and " + name);
      }
      lanes[lane] = other.argument;
    }
    combine(lanes);
    arrived_[warp] = 0;
    for (int lane = 0; lane < kWarp; ++lane) {
      all_[warp * kWarp + lane].operation = nullptr;
      make_ready(warp * kWarp + lane);
    }
  }
  yield();
}

void* Block::shared(const void* key, size_t bytes) {
  for (Array& array : arrays_) {
    if (array.key == key) return array.begin();
  }
  arrays_.emplace_back();
  arrays_.back().key = key;
  arrays_.back().allocate(bytes);
  arrays_.back().poison();
  return arrays_.back().begin();
}

void Block::copy_async(void* to, int size, const void* from, int bytes) {
  const auto misaligned = [size](const void* p) { return reinterpret_cast<uintptr_t>(p) % size != 0; };
  if (misaligned(to) || (bytes > 0 && misaligned(from))) {
    fail("an asynchronous copy needs addresses that are multiples of " + std::to_string(size));
  }
  Copy copy{to, size, from, bytes, {}, schedule_.below(2) == 0};
  if (bytes > 0) std::memcpy(copy.early, from, bytes);
  std::memset(to, kPoison, size);
  Thread& self = all_[running_];
  self.copies.emplace_back(self.groups, copy);
}

void Block::commit_copies() { ++all_[running_].groups; }

void Block::wait_for_copies(int groups_left) {
  Thread& self = all_[running_];
  // Copies that were not committed are not waited for, even by a wait for all: kept for the check at the end.
  std::vector<std::pair<int, Copy>> in_flight;
  for (auto& [group, copy] : self.copies) {
    if (group >= self.groups - groups_left) {
      in_flight.emplace_back(group, copy);
      continue;
    }
    unsigned char arriving[16] = {};
    if (copy.bytes > 0) std::memcpy(arriving, copy.is_early ? copy.early : copy.from, copy.bytes);
    std::memcpy(copy.to, arriving, copy.size);
  }
  self.copies.swap(in_flight);
}

void Block::fail(const std::string& what) const {
  failure_ = "thread " + std::to_string(running_) + ": " + what;
  throw Failure{};
}

std::string Block::waiting() const {
  std::string text;
  for (int i = 0; i < threads_; ++i) {
    const Thread& thread = all_[i];
    const std::string place = thread.fiber->ended() ? "has left the kernel"
                              : thread.barrier_line
                                  ? "waits at the barrier in line " + std::to_string(thread.barrier_line)
                              : thread.operation ? std::string("waits for its warp at ") + thread.operation
                              : thread.sleeps_on ? std::string("waits at ") + thread.sleeps_at
                                                 : "runs";
    // The first of each kind says enough.
    if (text.find(place) == std::string::npos)
      text += (text.empty() ? "" : ", ") + ("thread " + std::to_string(i)) + " " + place;
  }
  return text;
}

}  // namespace burgeon::cuda::host
