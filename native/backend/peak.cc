#include "backend/peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "backend/select.h"
#include "core/arena.h"
#include "core/thread_pool.h"

namespace burgeon {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr int64_t kRounds = 2000;
constexpr size_t kCopyBytes = size_t{64} << 20;
constexpr int kRepeats = 12;

// Bursts of one table's operand format on every thread of the pool; the best of several.
using Burst = int64_t(float* data, int64_t rounds);
double best_burst(Burst* multiply, ThreadPool& pool) {
  const size_t threads = static_cast<size_t>(pool.size());
  Arena arena(host_device(), threads * kBurstFloats * sizeof(float), "peak measurement");
  struct Bursts {
    Burst* multiply;
    float* data;
    std::vector<int64_t> done;
  } bursts{multiply, reinterpret_cast<float*>(arena.data()), std::vector<int64_t>(threads)};
  std::fill_n(bursts.data, threads * kBurstFloats, 0.5f);
  double best = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::fill(bursts.done.begin(), bursts.done.end(), 0);
    const auto start = std::chrono::steady_clock::now();
    pool.run(
        pool.size() * 4,
        [](void* argument, int64_t, int thread) {
          Bursts& b = *static_cast<Bursts*>(argument);
          b.done[thread] += b.multiply(b.data + thread * kBurstFloats, kRounds);
        },
        &bursts);
    int64_t total = 0;
    for (const int64_t done : bursts.done) total += done;
    best = std::max(best, 2.0 * static_cast<double>(total) / seconds_since(start));
  }
  return best;
}

}  // namespace

Peak measure_peak(int threads, const std::string& max_isa) {
  Selection selection;
  const auto& in_float32 = select_ops<float>("cpu", max_isa, &selection);
  const auto& in_bfloat16 = select_ops<bfloat16, float>("cpu", max_isa, &selection);
  ThreadPool pool(threads);
  Peak peak{best_burst(in_float32.multiply_burst, pool), best_burst(in_bfloat16.multiply_burst, pool), 0};

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
