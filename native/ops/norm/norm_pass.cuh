// The gradients of a norm, of its input and of its parameters, in one pass over rows that are not too wide, which also
// adds up the gradient of the input itself: that of the bias of the projection before it.
#pragma once

#include <utility>

#include "kernels/cuda/reduce.cuh"

namespace burgeon::cuda {

constexpr int kRowWarps = 8;  // of a block, each with rows of its own
constexpr int kRowThreads = kRowWarps * kWarpSize;

// Whether rows of so many sweeps are added up too: where registers are left for it. Wider rows leave none, with two
// blocks on a multiprocessor, or want more shared memory than every device has.
template <int kSweeps, bool kCentred>
constexpr bool kSumsShift = kSweeps <= 3 && kCentred;

// Shared memory of the pass: for each warp and sweep 16 bytes per lane of each tensor, which only that lane touches.
// The sums of dx, for which there are no registers, are there too from the beginning, 32 bytes per lane; those of the
// parameters come in place of all that at the end.
template <int kSweeps, bool kCentred>
struct PassRows {
  static constexpr int kPiece = kWarpSize * 16;
  static constexpr int kPieces = kSumsShift<kSweeps, kCentred> ? 5 : 3;
  static constexpr int kBytes = kRowWarps * kSweeps * kPieces * kPiece;

  BURGEON_DEVICE static int of_lane(int warp, int sweep, int lane) {
    return (warp * kSweeps + sweep) * kPieces * kPiece + lane * 16;
  }
  BURGEON_DEVICE static int x(int sweep) {
    return of_lane(thread_index() / kWarpSize, sweep, thread_index() % kWarpSize);
  }
  BURGEON_DEVICE static int dy(int sweep) { return x(sweep) + kPiece; }
  BURGEON_DEVICE static int dx(int sweep) { return x(sweep) + 2 * kPiece; }
  // Element i of a lane's eight.
  BURGEON_DEVICE static int shift(int warp, int sweep, int lane, int i) {
    return of_lane(warp, sweep, lane) + (3 + i / 4) * kPiece + i % 4 * 4;
  }
};

// call(s) for s = 0 .. kCount - 1, each a constant.
template <int... s, class Call>
BURGEON_DEVICE void for_constants(std::integer_sequence<int, s...>, Call call) {
  (call(std::integral_constant<int, s>{}), ...);
}

// Both gradients of rows of at most kSweeps sweeps of a warp, in one pass over memory. A block has a chunk of the rows,
// a warp every eighth of them; a lane sums for the columns it reads, and the warps add up in order.
//
// A row is gone through twice, for its sums and for dx. It waits in shared memory, not in registers, which the sums of
// the parameters need; and once a sweep has been used for the second time, that of the next row is requested into its
// place. So memory has about half a row's arithmetic to answer in, and no load is waited for as soon as it is made but
// those of the weights, which are in the first-level cache from the second row on.
template <class T, int N, int kSweeps, bool kCentred>
BURGEON_KERNEL(kRowThreads, kSweeps <= 4 ? 2 : 1)
norm_pass_kernel(T* dx, float* partials, const T* dy, const T* x, const float* mean, const float* rstd,
                 const float* weight, int64_t n, int width, int64_t chunk_rows) {
  using Rows = PassRows<kSweeps, kCentred>;
  constexpr bool kShifts = kSumsShift<kSweeps, kCentred>;
  constexpr int kInRegisters = kCentred ? 2 : 1;
  constexpr int kOutputs = kInRegisters + (kShifts ? 1 : 0);
  constexpr int kSumsOfOutput = kSweeps * N * kWarpSize;
  static_assert(kInRegisters * kSumsOfOutput * 4 <= Rows::kBytes, "the sums come in place of the rows");
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress shared = shared_address(bytes);
  const int warp = thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  const int64_t begin = block_x() * chunk_rows;
  const int64_t end = begin + chunk_rows < n ? begin + chunk_rows : n;
  const auto column = [&](int s) { return (s * kWarpSize + lane) * N; };
  const auto shift_at = [&](int w, int s, int l, int i) {
    return reinterpret_cast<float*>(bytes + Rows::shift(w, s, l, i));
  };
  // Zeros, where there is no such row or column.
  const auto request = [&](int64_t row, int s) {
    const bool there = row < end && column(s) < width;
    const int64_t from = there ? row * width + column(s) : 0;
    copy_async<16>(shared + Rows::x(s), x + from, there ? 16 : 0);
    copy_async<16>(shared + Rows::dy(s), dy + from, there ? 16 : 0);
    copy_async<16>(shared + Rows::dx(s), dx + from, there ? 16 : 0);
    commit_copies();
  };
#pragma unroll
  for (int s = 0; s < kSweeps; ++s) request(begin + warp, s);
  if constexpr (kShifts) {
    const float zeros[4] = {};
#pragma unroll
    for (int i = 0; i < kSweeps * N; i += 4) store(shift_at(warp, i / N, lane, i % N), zeros);
  }

  float next_average = 0;
  float next_scale = 0;
  const auto load_statistics = [&](int64_t row) {
    if (row >= end) return;
    if (kCentred) next_average = mean[row];
    next_scale = rstd[row];
  };
  load_statistics(begin + warp);
  const float share = 1.0f / static_cast<float>(width);
  float total[kInRegisters][kSweeps][N] = {};
  for (int64_t row = begin + warp; row < end; row += kRowWarps) {
    const float average = next_average;
    const float scale = next_scale;
    load_statistics(row + kRowWarps);
    const auto read = [&](float(&h)[N], float(&g)[N], float(&w)[N], int s) {
      widen<T>(h, load_words<4>(bytes + Rows::x(s)));
      widen<T>(g, load_words<4>(bytes + Rows::dy(s)));
#pragma unroll
      for (int i = 0; i < N; i += 4) widen<float>(w, load_vector(weight + column(s) + i, column(s) < width), i);
#pragma unroll
      for (int i = 0; i < N; ++i) h[i] = (h[i] - average) * scale;
    };
    float sum_g = 0;
    float sum_gh = 0;
    for_constants(std::make_integer_sequence<int, kSweeps>{}, [&](auto sweep) {
      constexpr int s = decltype(sweep)::value;
      wait_for_copies<kSweeps - 1 - s>();
      float h[N];
      float g[N];
      float w[N];
      read(h, g, w, s);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        total[0][s][i] += g[i] * h[i];
        if constexpr (kCentred) total[1][s][i] += g[i];
        sum_g += g[i] * w[i];
        sum_gh += g[i] * w[i] * h[i];
      }
    });
    const float average_g = kCentred ? warp_sum(sum_g) * share : 0;
    const float average_gh = warp_sum(sum_gh) * share;
    sync_warp();  // else the compiler keeps what it has read until here, in registers that there are not
#pragma unroll
    for (int s = 0; s < kSweeps; ++s) {
      float h[N];
      float g[N];
      float w[N];
      float sum[N];
      read(h, g, w, s);
      widen<T>(sum, load_words<4>(bytes + Rows::dx(s)));
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] += scale * (g[i] * w[i] - average_g - h[i] * average_gh);
      if (column(s) < width) store(dx + row * width + column(s), sum);
      request(row + kRowWarps, s);
      if constexpr (kShifts) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
          float so_far[4];
          load(so_far, shift_at(warp, s, lane, i));
#pragma unroll
          for (int j = 0; j < 4; ++j) so_far[j] += sum[i + j];
          store(shift_at(warp, s, lane, i), so_far);
        }
      }
    }
  }
  wait_for_copies<0>();

  const auto leave = [&](int output, int outputs, auto sum_of) {
    for (int index = thread_index(); index < outputs * kSumsOfOutput; index += kRowThreads) {
      const int l = index % kWarpSize;
      const int i = index / kWarpSize % N;
      const int s = index / (kWarpSize * N) % kSweeps;
      const int64_t place = static_cast<int64_t>(block_x()) * kOutputs + output + index / kSumsOfOutput;
      const int c = (s * kWarpSize + l) * N + i;
      if (c < width) partials[place * width + c] = sum_of(index, s, l, i);
    }
  };
  if constexpr (kShifts) {
    sync_threads();
    leave(kInRegisters, 1, [&](int, int s, int l, int i) {
      float sum = 0;
      for (int w = 0; w < kRowWarps; ++w) sum += *shift_at(w, s, l, i);
      return sum;
    });
  }
  float* const sums = reinterpret_cast<float*>(bytes);
  for (int w = 0; w < kRowWarps; ++w) {
    sync_threads();
    if (warp != w) continue;
#pragma unroll
    for (int o = 0; o < kInRegisters; ++o) {
#pragma unroll
      for (int s = 0; s < kSweeps; ++s) {
#pragma unroll
        for (int i = 0; i < N; ++i) {
          float& sum = sums[((o * kSweeps + s) * N + i) * kWarpSize + lane];
          sum = total[o][s][i] + (w == 0 ? 0 : sum);
        }
      }
    }
  }
  sync_threads();
  leave(0, kInRegisters, [&](int index, int, int, int) { return sums[index]; });
}

}  // namespace burgeon::cuda
