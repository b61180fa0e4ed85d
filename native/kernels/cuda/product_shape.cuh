// What all kernels of products share: operands, sizes, and the order of tiles.
#pragma once

#include "core/error.h"
#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

// Lies one of two ways: the shared dimension contiguous (element (lane, k) at data[lane * stride + k], "across") or the
// lanes contiguous (at data[k * stride + lane]), lanes being rows of A or columns of B.
template <class T>
struct Operand {
  const T* data;
  int64_t stride;
};

struct ProductShape {
  int m;
  int n;
  int k;
};

inline ProductShape product_shape(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kLargest = (int64_t{1} << 31) - 256;  // so that a tile ends below 2^31
  if (m > kLargest || n > kLargest || k > kLargest) {
    throw Error(ErrorCode::kCuda, "CUDA: a matrix has 2^31 rows or more");
  }
  return {static_cast<int>(m), static_cast<int>(n), static_cast<int>(k)};
}

// The shared dimension may be cut into pieces of a multiple of this.
constexpr int kSplitDepth = 64;

// Where the tile of an index lies: columns of 8 tiles down M follow each other, so that blocks that run together share
// operands in the second-level cache.
struct TilePlace {
  int m;
  int n;
};
BURGEON_DEVICE TilePlace tile_place(int index, int m_tiles, int n_tiles) {
  constexpr int kBand = 8;
  const int first = index / (kBand * n_tiles) * kBand;
  const int height = m_tiles - first < kBand ? m_tiles - first : kBand;
  const int inside = index - first * n_tiles;
  return {first + inside % height, inside / height};
}

}  // namespace burgeon::cuda
