// kernels/cuda/device.cuh on the host: a thread of a kernel is a fiber of host::Block, a warp operation does for all
// its lanes what the PTX manual says ("Matrix multiply-accumulate instructions", "ldmatrix", "shfl.sync", "cp.async").
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "kernels/cuda/host/block.h"

#define BURGEON_KERNEL(threads, blocks) void
#define BURGEON_DEVICE inline
#define BURGEON_SHARED(type, name, count) \
  static const char name##_key = 0;       \
  type* const name =                      \
      static_cast<type*>(::burgeon::cuda::host::Block::current().shared(&name##_key, sizeof(type) * (count)))
#define BURGEON_DYNAMIC_SHARED(name) \
  char* const name = static_cast<char*>(::burgeon::cuda::host::Block::current().dynamic_shared())

// What stands for a stream: launches run at once, in the order their seed gives, unless they are being recorded.
struct CUstream_st {
  uint64_t seed;
  std::vector<std::function<void()>>* recording = nullptr;
  std::vector<std::function<void()>> copies{};  // from the host, not done before something else is queued or waited for
};

namespace burgeon::cuda {

namespace host {

// Does the copies that a device does when it comes to them.
inline void finish_copies(Stream stream) {
  for (const auto& copy : std::exchange(stream->copies, {})) copy();
}

// Runs work, or adds it to what is recorded.
inline void queue(Stream stream, std::function<void()> work) {
  if (!stream->recording) finish_copies(stream);
  if (stream->recording) {
    stream->recording->push_back(std::move(work));
  } else {
    work();
  }
}

// Runs all blocks of a kernel, in a shuffled order.
void run_grid(Stream stream, Grid grid, int threads, size_t shared_bytes, const std::function<void()>& kernel);

inline void check_aligned(const void* p, int bytes, const char* what) {
  if (reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes) == 0) return;
  Block::current().fail(std::string(what) + " needs an address that is a multiple of " + std::to_string(bytes));
}

void load_matrices(uint32_t (&r)[4], const void* row, bool transposed);

template <class T>
struct Shuffle {
  T value;
  int lane;  // whose value is wanted
  T result;
};

template <class T>
T shuffle_from(const char* name, T value, int lane) {
  Shuffle<T> mine{value, lane, value};
  Block::current().warp_operation(name, &mine, [](void** lanes) {
    for (int i = 0; i < kWarp; ++i) {
      auto* to = static_cast<Shuffle<T>*>(lanes[i]);
      to->result = static_cast<Shuffle<T>*>(lanes[to->lane & (kWarp - 1)])->value;
    }
  });
  return mine.result;
}

}  // namespace host

template <class... Parameters, class... Arguments>
void launch(Stream stream, Grid grid, int threads, size_t shared_bytes, void (*kernel)(Parameters...),
            Arguments... arguments) {
  ++launch_count();
  host::queue(stream, [=] {
    host::run_grid(stream, grid, threads, shared_bytes, [&] { kernel(static_cast<Parameters>(arguments)...); });
  });
}

inline int thread_index() { return host::Block::current().thread(); }
inline int block_threads() { return host::Block::current().threads(); }
inline int block_x() { return host::Block::current().place().x; }
inline int block_y() { return host::Block::current().place().y; }
inline int block_z() { return host::Block::current().place().z; }
inline int grid_x() { return host::Block::current().grid().x; }
inline int grid_y() { return host::Block::current().grid().y; }
inline int grid_z() { return host::Block::current().grid().z; }

inline void sync_threads(int line = __builtin_LINE()) { host::Block::current().barrier(line); }
inline void sync_warp() {
  host::Block::current().warp_operation("sync_warp", nullptr, [](void**) {});
}

template <class T>
T shuffle(T value, int lane) {
  return host::shuffle_from("shuffle", value, lane);
}
template <class T>
T shuffle_xor(T value, int mask) {
  return host::shuffle_from("shuffle_xor", value, (thread_index() & (kWarpSize - 1)) ^ mask);
}

template <int N>
Words<N> load_words(const void* from) {
  host::check_aligned(from, 4 * N, "load_words");
  Words<N> v;
  std::memcpy(v.words, from, sizeof(v.words));
  return v;
}
template <int N>
void store_words(void* to, const Words<N>& v) {
  host::check_aligned(to, 4 * N, "store_words");
  std::memcpy(to, v.words, sizeof(v.words));
}

using SharedAddress = char*;
inline SharedAddress shared_address(void* p) { return static_cast<char*>(p); }

template <int kBytes>
void copy_async(SharedAddress to, const void* from, int bytes = kBytes) {
  host::Block::current().copy_async(to, kBytes, from, bytes);
}
inline void commit_copies() { host::Block::current().commit_copies(); }
template <int kGroupsLeft>
void wait_for_copies() {
  host::Block::current().wait_for_copies(kGroupsLeft);
}

inline void load_matrices(uint32_t (&r)[4], SharedAddress row) { host::load_matrices(r, row, false); }
inline void load_matrices_transposed(uint32_t (&r)[4], SharedAddress row) { host::load_matrices(r, row, true); }
void multiply_add_bf16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

inline float from_word(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline uint32_t to_word(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

inline float widen(bfloat16 x) { return to_float(x); }
inline bfloat16 narrow_bfloat16(float x) { return to_bfloat16(x); }
inline uint32_t pack_bfloat16(float low, float high) {
  return to_bfloat16(low).bits | static_cast<uint32_t>(to_bfloat16(high).bits) << 16;
}

inline float exp2_fast(float x) { return std::exp2(x); }
inline float reciprocal_fast(float x) { return 1.0f / x; }
inline float exp_fast(float x) { return std::exp(x); }
inline float log_accurate(float x) { return std::log(x); }
inline float square_root(float x) { return std::sqrt(x); }
inline float reciprocal_sqrt(float x) { return 1.0f / std::sqrt(x); }
inline float larger(float a, float b) { return std::fmax(a, b); }
inline float fused_multiply_add(float a, float b, float c) { return std::fma(a, b, c); }

}  // namespace burgeon::cuda

#include "kernels/cuda/host/async.h"
