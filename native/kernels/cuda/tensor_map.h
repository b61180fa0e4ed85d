// What a tensor map describes: matrices of bfloat16 in global memory, of which tiles of 64 columns are loaded.
#pragma once

#include <cstdint>

namespace burgeon::cuda {

// Strides in elements: multiples of 8, as addresses are of 16 bytes.
struct TensorShape {
  int64_t columns;
  int64_t rows;
  int64_t row_stride;
  int64_t batches = 1;
  int64_t batch_stride = 0;  // unused where there is one batch
};

constexpr int kTileColumns = 64;
constexpr int kTileRowBytes = 128;
constexpr int kMostTileRows = 256;

}  // namespace burgeon::cuda
