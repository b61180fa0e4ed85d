#include "backend/peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "backend/select.h"
#include "core/arena.h"
#include "core/thread_clock.h"
#include "core/thread_pool.h"

namespace burgeon {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr int64_t kRounds = 2000;
constexpr size_t kCopyBytes = size_t{64} << 20;
constexpr int kRepeats = 12;

// What a thread has done at best, and how long it took for all.
struct ThreadBursts {
  double flops_per_second = 0;
  double seconds = 0;
};

// Bursts of one table's operand format on every thread of the pool: the best of each thread, added up. Also
// what share of the wall-clock time they ran.
using Burst = int64_t(float* data, int64_t rounds);
double best_bursts(Burst* multiply, ThreadPool& pool, double* processor_share) {
  const size_t threads = static_cast<size_t>(pool.size());
  Arena arena(host_device(), threads * kBurstFloats * sizeof(float), "peak measurement");
  struct Bursts {
    Burst* multiply;
    float* data;
    std::vector<ThreadBursts> threads;
  } bursts{multiply, reinterpret_cast<float*>(arena.data()), std::vector<ThreadBursts>(threads)};
  std::fill_n(bursts.data, threads * kBurstFloats, 0.5f);
  const auto start = std::chrono::steady_clock::now();
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    pool.run(
        pool.size() * 4,
        [](void* argument, int64_t, int thread) {
          Bursts& b = *static_cast<Bursts*>(argument);
          const double before = thread_seconds();
          const int64_t done = b.multiply(b.data + thread * kBurstFloats, kRounds);
          const double seconds = std::max(thread_seconds() - before, 1e-9);
          ThreadBursts& own = b.threads[thread];
          own.flops_per_second = std::max(own.flops_per_second, 2.0 * static_cast<double>(done) / seconds);
          own.seconds += seconds;
        },
        &bursts);
  }
  const double wall = seconds_since(start);
  double sum = 0;
  double seconds = 0;
  double least = 0;  // for threads that never had a turn
  for (const ThreadBursts& each : bursts.threads) {
    if (each.seconds > 0 && (least == 0 || each.flops_per_second < least)) least = each.flops_per_second;
  }
  for (const ThreadBursts& each : bursts.threads) {
    sum += each.seconds > 0 ? each.flops_per_second : least;
    seconds += each.seconds;
  }
  // More threads than processors take turns.
  const double processors = std::max(1u, std::thread::hardware_concurrency());
  const double at_once = std::min(static_cast<double>(threads), processors);
  *processor_share = std::min(1.0, seconds / (wall * at_once));
  return sum * at_once / static_cast<double>(threads);
}

}  // namespace

Peak measure_peak(int threads, const std::string& max_isa) {
  Selection selection;
  const auto& in_float32 = select_ops<float>("cpu", max_isa, &selection);
  const auto& in_bfloat16 = select_ops<bfloat16, float>("cpu", max_isa, &selection);
  ThreadPool pool(threads);
  Peak peak{};
  double share_in_bfloat16;
  peak.flops_per_second = best_bursts(in_float32.multiply_burst, pool, &peak.processor_share);
  peak.bf16_flops_per_second = best_bursts(in_bfloat16.multiply_burst, pool, &share_in_bfloat16);
  peak.processor_share = std::min(peak.processor_share, share_in_bfloat16);

  struct Copy {
    char* from;
    char* to;
    size_t chunk;
  };
  Arena arena(host_device(), 2 * kCopyBytes, "bandwidth measurement");
  Copy copy{arena.data(), arena.data() + kCopyBytes, kCopyBytes / 64};
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    pool.run(
        64,
        [](void* argument, int64_t task, int) {
          const Copy& c = *static_cast<Copy*>(argument);
          std::memcpy(c.to + task * c.chunk, c.from + task * c.chunk, c.chunk);
        },
        &copy);
    peak.bytes_per_second =
        std::max(peak.bytes_per_second, 2.0 * static_cast<double>(kCopyBytes) / seconds_since(start));
  }
  return peak;
}

}  // namespace burgeon
