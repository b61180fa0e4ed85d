// Products of matrices: D (m, n) = sum over k of A (m, k) B (k, n), which an epilogue receives in float. Three kernels:
// tiles of mma.sync for bfloat16, one of wgmma for devices that have it (product_sm90.cuh), and a plain one for floats
// and for operands whose rows are not multiples of 16 bytes.
#pragma once

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/product_shape.cuh"
#include "kernels/cuda/product_sm90.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/shared_tile.cuh"
#include "kernels/cuda/vector.cuh"

namespace burgeon::cuda {

// ---- bfloat16 on tensor cores

constexpr int kTileK = 32;  // of which kSplitDepth is a multiple
constexpr int kStages = 4;
constexpr int kProductThreads = 256;

// A tile of kLanes lanes and kTileK positions of the shared dimension, the way its operand lies.
template <bool kAcross, int kLanes>
struct OperandTile {
  using Tile = SharedTile<kAcross ? kLanes : kTileK, kAcross ? kTileK : kLanes, kProductThreads>;
  static constexpr int kBytes = Tile::kBytes;

  BURGEON_DEVICE static void copy(SharedAddress tile, const Operand<bfloat16>& from, int lane, int lanes, int k,
                                  int depth) {
    if constexpr (kAcross) {
      Tile::copy(tile, from.data, from.stride, lane, lanes, k, depth);
    } else {
      Tile::copy(tile, from.data, from.stride, k, depth, lane, lanes);
    }
  }
  // Fragments of 16 lanes and 16 positions.
  BURGEON_DEVICE static void left(uint32_t (&r)[4], SharedAddress tile, int lane, int k) {
    if constexpr (kAcross) {
      Tile::left(r, tile, lane, k);
    } else {
      Tile::left_transposed(r, tile, k, lane);
    }
  }
  BURGEON_DEVICE static void right(uint32_t (&r)[4], SharedAddress tile, int lane, int k) {
    if constexpr (kAcross) {
      Tile::right(r, tile, lane, k);
    } else {
      Tile::right_transposed(r, tile, k, lane);
    }
  }
};

// Eight warps in two rows of four; a warp has 64 rows and a quarter of the columns. Blocks along y cut the shared
// dimension into pieces of split_k, a multiple of kTileK.
template <bool kAcrossA, bool kAcrossB, int kTileM, int kTileN, class Epilogue>
BURGEON_KERNEL(kProductThreads, kTileN == 128 ? 2 : 1)
tensor_product_kernel(Operand<bfloat16> a, Operand<bfloat16> b, ProductShape shape, int split_k, Epilogue epilogue,
                      bool pairs) {
  using TileA = OperandTile<kAcrossA, kTileM>;
  using TileB = OperandTile<kAcrossB, kTileN>;
  constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  constexpr int kWarpM = kTileM / 2;
  constexpr int kWarpN = kTileN / 4;
  BURGEON_DYNAMIC_SHARED(bytes);
  const SharedAddress shared = shared_address(bytes);

  const TilePlace tile = tile_place(block_x(), (shape.m + kTileM - 1) / kTileM, (shape.n + kTileN - 1) / kTileN);
  const int first_m = tile.m * kTileM;
  const int first_n = tile.n * kTileN;
  const int first_k = block_y() * split_k;
  const int depth = first_k + split_k < shape.k ? first_k + split_k : shape.k;
  const int steps = (depth - first_k + kTileK - 1) / kTileK;
  const int warp = thread_index() / kWarpSize;
  const int lane = thread_index() % kWarpSize;
  const int warp_m = warp / 4 * kWarpM;
  const int warp_n = warp % 4 * kWarpN;

  const auto copy_step = [&](int step) {
    if (step < steps) {
      const SharedAddress stage = shared + step % kStages * kStageBytes;
      TileA::copy(stage, a, first_m, shape.m, first_k + step * kTileK, depth);
      TileB::copy(stage + TileA::kBytes, b, first_n, shape.n, first_k + step * kTileK, depth);
    }
    commit_copies();  // an empty group keeps the count
  };

  float sums[kWarpM / 16][kWarpN / 8][4] = {};
#pragma unroll
  for (int step = 0; step < kStages - 1; ++step) copy_step(step);
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<kStages - 2>();
    sync_threads();  // all copies of this step are there, and all have left the stage that is filled next
    copy_step(step + kStages - 1);
    const SharedAddress stage = shared + step % kStages * kStageBytes;
#pragma unroll
    for (int k = 0; k < kTileK; k += 16) {
      uint32_t left[kWarpM / 16][4];
      uint32_t right[kWarpN / 16][4];
#pragma unroll
      for (int i = 0; i < kWarpM / 16; ++i) TileA::left(left[i], stage, warp_m + i * 16, k);
#pragma unroll
      for (int j = 0; j < kWarpN / 16; ++j) {
        TileB::right(right[j], stage + TileA::kBytes, warp_n + j * 16, k);
      }
#pragma unroll
      for (int i = 0; i < kWarpM / 16; ++i) {
#pragma unroll
        for (int j = 0; j < kWarpN / 8; ++j) {
          multiply_add_bf16(sums[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }

  const Epilogue out = epilogue.of_split(block_y());
#pragma unroll
  for (int i = 0; i < kWarpM / 16; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = first_m + warp_m + i * 16 + half * 8 + lane / 4;
      if (row >= shape.m) continue;
#pragma unroll
      for (int j = 0; j < kWarpN / 8; ++j) {
        const int column = first_n + warp_n + j * 8 + lane % 4 * 2;
        float v[2] = {sums[i][j][2 * half], sums[i][j][2 * half + 1]};
        if (pairs && column + 1 < shape.n) {
          out.apply(row, column, v);
        } else {
#pragma unroll
          for (int c = 0; c < 2; ++c) {
            float one[1] = {v[c]};
            if (column + c < shape.n) out.apply(row, column + c, one);
          }
        }
      }
    }
  }
}

// ---- any element type, any stride

constexpr int kPlainTile = 64;
constexpr int kPlainK = 16;
constexpr int kPlainThreads = 256;

template <class T, bool kAcross>
BURGEON_DEVICE void load_plain_tile(float* tile, const Operand<T>& from, int lane, int lanes, int k, int depth) {
#pragma unroll
  for (int i = 0; i < kPlainTile * kPlainK / kPlainThreads; ++i) {
    const int index = thread_index() + i * kPlainThreads;
    const int l = kAcross ? index / kPlainK : index % kPlainTile;
    const int p = kAcross ? index % kPlainK : index / kPlainTile;
    const bool there = lane + l < lanes && k + p < depth;
    const int64_t at = kAcross ? (lane + l) * from.stride + k + p : (k + p) * from.stride + lane + l;
    tile[p * (kPlainTile + 1) + l] = there ? widen(from.data[at]) : 0;
  }
}

// A thread has rows 16 i + t / 16 and columns 16 j + t % 16 of a tile of 64 x 64.
template <class T, bool kAcrossA, bool kAcrossB, class Epilogue>
BURGEON_KERNEL(kPlainThreads, 2)
plain_product_kernel(Operand<T> a, Operand<T> b, ProductShape shape, int split_k, Epilogue epilogue) {
  BURGEON_SHARED(float, left, kPlainK*(kPlainTile + 1));
  BURGEON_SHARED(float, right, kPlainK*(kPlainTile + 1));
  const TilePlace tile =
      tile_place(block_x(), (shape.m + kPlainTile - 1) / kPlainTile, (shape.n + kPlainTile - 1) / kPlainTile);
  const int first_m = tile.m * kPlainTile;
  const int first_n = tile.n * kPlainTile;
  const int first_k = block_y() * split_k;
  const int depth = first_k + split_k < shape.k ? first_k + split_k : shape.k;
  const int row = thread_index() / 16;
  const int column = thread_index() % 16;
  float sums[4][4] = {};
  for (int k = first_k; k < depth; k += kPlainK) {
    load_plain_tile<T, kAcrossA>(left, a, first_m, shape.m, k, depth);
    load_plain_tile<T, kAcrossB>(right, b, first_n, shape.n, k, depth);
    sync_threads();
#pragma unroll
    for (int p = 0; p < kPlainK; ++p) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sums[i][j] = fused_multiply_add(left[p * (kPlainTile + 1) + 16 * i + row],
                                          right[p * (kPlainTile + 1) + 16 * j + column], sums[i][j]);
        }
      }
    }
    sync_threads();
  }
  const Epilogue out = epilogue.of_split(block_y());
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float v[1] = {sums[i][j]};
      const int r = first_m + 16 * i + row;
      const int c = first_n + 16 * j + column;
      if (r < shape.m && c < shape.n) out.apply(r, c, v);
    }
  }
}

// ---- which of them

// Enough tiles for the multiprocessors of the largest device there is a target for; only speed depends on it.
constexpr int64_t kEnoughTiles = 132;

template <class T>
bool fits_tensor_cores(const Operand<T>& operand) {
  return sizeof(T) == 2 && in_vectors(kVector<T>, operand.stride, operand.data);
}

template <bool kAcrossA, bool kAcrossB, int kTileN, class Epilogue>
void launch_tensor_product(Stream stream, const Operand<bfloat16>& a, const Operand<bfloat16>& b,
                           const ProductShape& shape, int64_t splits, int split_k, const Epilogue& epilogue) {
  constexpr int kTileM = 128;
  constexpr size_t kBytes = kStages * (OperandTile<kAcrossA, kTileM>::kBytes + OperandTile<kAcrossB, kTileN>::kBytes);
  launch(stream, {ceil_div(shape.m, kTileM) * ceil_div(shape.n, kTileN), splits}, kProductThreads, kBytes,
         tensor_product_kernel<kAcrossA, kAcrossB, kTileM, kTileN, Epilogue>, a, b, shape, split_k, epilogue,
         epilogue.pairs());
}

// D with the shared dimension cut into `splits` pieces, whose results go to as many matrices of the epilogue.
template <bool kAcrossA, bool kAcrossB, class T, class Epilogue>
void product(Stream stream, const Operand<T>& a, const Operand<T>& b, const ProductShape& shape,
             const Epilogue& epilogue, int64_t splits = 1) {
  const int split_k = static_cast<int>(ceil_div(ceil_div(shape.k, splits), kSplitDepth) * kSplitDepth);
  if constexpr (sizeof(T) == 2) {
    if (fits_tensor_cores(a) && fits_tensor_cores(b)) {
      if (has_wgmma() && shape.k > 0) {
        launch_sm90_product<kAcrossA, kAcrossB>(stream, a, b, shape, static_cast<int>(splits), split_k, epilogue);
        return;
      }
      const bool wide = ceil_div(shape.m, 128) * ceil_div(shape.n, 256) * splits >= kEnoughTiles;
      if (wide) {
        launch_tensor_product<kAcrossA, kAcrossB, 256>(stream, a, b, shape, splits, split_k, epilogue);
      } else {
        launch_tensor_product<kAcrossA, kAcrossB, 128>(stream, a, b, shape, splits, split_k, epilogue);
      }
      return;
    }
  }
  launch(stream, {ceil_div(shape.m, kPlainTile) * ceil_div(shape.n, kPlainTile), splits}, kPlainThreads, 0,
         plain_product_kernel<T, kAcrossA, kAcrossB, Epilogue>, a, b, shape, split_k, epilogue);
}

}  // namespace burgeon::cuda
