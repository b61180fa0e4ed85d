#include "kernels/cuda/device.cuh"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "core/error.h"
#include "kernels/cuda/runtime.h"

namespace burgeon::cuda {

namespace host {

// BURGEON_CUDA_HOST_FAULT: which launch of the process fails, counted from 1.
void fail_where_asked() {
  static const char* const text = std::getenv("BURGEON_CUDA_HOST_FAULT");
  static std::atomic<int64_t> launches{0};
  if (text && ++launches == std::atoll(text)) throw Error(ErrorCode::kCuda, "CUDA: a launch failed, as asked");
}

void run_grid(Stream stream, Grid grid, int threads, size_t shared_bytes, const std::function<void()>& kernel) {
  fail_where_asked();
  if (grid.x <= 0 || grid.y <= 0 || grid.z <= 0) return;
  if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
    throw Error(ErrorCode::kCuda, "a grid is larger than CUDA allows");
  }
  const bool is_sm_90 = has_wgmma();
  const size_t most_shared_bytes = (is_sm_90 ? 227 : 163) * 1024;  // of a block
  if (shared_bytes > most_shared_bytes) {
    throw Error(ErrorCode::kCuda,
                std::string("a kernel wants more shared memory than sm_") + (is_sm_90 ? "90" : "80") + " has");
  }
  Schedule order(stream->seed);
  std::vector<Place> places;
  for (int z = 0; z < grid.z; ++z) {
    for (int y = 0; y < grid.y; ++y) {
      for (int x = 0; x < grid.x; ++x) places.push_back({x, y, z});
    }
  }
  for (size_t i = places.size(); i > 1; --i) std::swap(places[i - 1], places[order.below(static_cast<int>(i))]);
  Block block(threads, shared_bytes, order.next());
  const Place size{static_cast<int>(grid.x), static_cast<int>(grid.y), static_cast<int>(grid.z)};
  for (const Place& place : places) block.run(place, size, kernel);
}

namespace {

struct MatrixLoad {
  const void* row;
  bool transposed;
  uint32_t result[4];
};

}  // namespace

// Lanes 8 m to 8 m + 7 name the rows of matrix m. Lane l receives of each matrix elements 2 (l % 4) and the next of row
// l / 4; transposed, of column l / 4.
void load_matrices(uint32_t (&r)[4], const void* row, bool transposed) {
  check_aligned(row, 16, "load_matrices");
  MatrixLoad mine{row, transposed, {}};
  Block::current().warp_operation(transposed ? "load_matrices_transposed" : "load_matrices", &mine, [](void** lanes) {
    for (int m = 0; m < 4; ++m) {
      uint16_t matrix[8][8];
      for (int i = 0; i < 8; ++i) {
        std::memcpy(matrix[i], static_cast<MatrixLoad*>(lanes[8 * m + i])->row, sizeof(matrix[i]));
      }
      for (int lane = 0; lane < kWarp; ++lane) {
        auto* to = static_cast<MatrixLoad*>(lanes[lane]);
        const int i = lane / 4;
        const int j = 2 * (lane % 4);
        const uint32_t low = to->transposed ? matrix[j][i] : matrix[i][j];
        const uint32_t high = to->transposed ? matrix[j + 1][i] : matrix[i][j + 1];
        to->result[m] = low | high << 16;
      }
    }
  });
  std::copy(mine.result, mine.result + 4, r);
}

namespace {

struct MultiplyAdd {
  const uint32_t* a;
  uint32_t b[2];
  float* c;
};

float half(uint32_t word, int which) { return from_word(which == 0 ? word << 16 : word & 0xffff0000u); }

}  // namespace

}  // namespace host

// With group = lane / 4 and pair = 2 (lane % 4): register r of A holds row group + 8 (r % 2), columns pair and pair + 1
// plus 8 (r / 2); register r of B rows pair and pair + 1 plus 8 r of column group; value v of C row group + 8 (v / 2),
// column pair + v % 2.
void multiply_add_bf16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  host::MultiplyAdd mine{a, {b0, b1}, c};
  host::Block::current().warp_operation("multiply_add_bf16", &mine, [](void** lanes) {
    float left[16][16];
    float right[16][8];
    for (int lane = 0; lane < kWarpSize; ++lane) {
      const auto* from = static_cast<host::MultiplyAdd*>(lanes[lane]);
      const int group = lane / 4;
      const int pair = 2 * (lane % 4);
      for (int which = 0; which < 2; ++which) {
        for (int r = 0; r < 4; ++r) {
          left[group + 8 * (r % 2)][pair + 8 * (r / 2) + which] = host::half(from->a[r], which);
        }
        for (int r = 0; r < 2; ++r) right[pair + 8 * r + which][group] = host::half(from->b[r], which);
      }
    }
    float sums[16][8] = {};
    for (int i = 0; i < 16; ++i) {
      for (int k = 0; k < 16; ++k) {
        for (int j = 0; j < 8; ++j) sums[i][j] += left[i][k] * right[k][j];
      }
    }
    for (int lane = 0; lane < kWarpSize; ++lane) {
      auto* to = static_cast<host::MultiplyAdd*>(lanes[lane]);
      for (int v = 0; v < 4; ++v) to->c[v] += sums[lane / 4 + 8 * (v / 2)][2 * (lane % 4) + v % 2];
    }
  });
}

// ---- sm_90a

namespace host {

namespace {

struct MatrixStore {
  const uint32_t* r;
  char* row;
};

}  // namespace

void store_matrices(const uint32_t (&r)[4], char* row) {
  MatrixStore mine{r, row};
  Block::current().warp_operation("store_matrices", &mine, [](void** lanes) {
    for (int m = 0; m < 4; ++m) {
      for (int i = 0; i < 8; ++i) {
        uint32_t chunk[4];
        for (int j = 0; j < 4; ++j) chunk[j] = static_cast<MatrixStore*>(lanes[4 * i + j])->r[m];
        Block::current().units().store_chunk(static_cast<MatrixStore*>(lanes[8 * m + i])->row, chunk);
      }
    }
  });
}

void begin_products() {
  Block::current().warp_operation("begin_products", nullptr, [](void**) { Block::current().units().begin_products(); });
}

void multiply_async(const ProductOperands& mine) {
  ProductOperands operands = mine;
  Block::current().warp_operation("multiply_async", &operands, [](void** lanes) {
    std::array<ProductOperands, kWarp> all;
    for (int lane = 0; lane < kWarp; ++lane) all[lane] = *static_cast<ProductOperands*>(lanes[lane]);
    Block::current().units().multiply(all);
  });
}

void commit_products() {
  Block::current().warp_operation("commit_products", nullptr,
                                  [](void**) { Block::current().units().commit_products(); });
}

void wait_for_products(int groups_left) {
  Block::current().warp_operation("wait_for_products", &groups_left, [](void** lanes) {
    Block::current().units().wait_for_products(*static_cast<int*>(lanes[0]));
  });
}

}  // namespace host

TensorMap tensor_map(const bfloat16* data, const TensorShape& shape, int box_rows) {
  const auto is_stride = [](int64_t stride) { return stride > 0 && stride % 8 == 0 && stride < int64_t{1} << 39; };
  const auto is_count = [](int64_t count) { return count > 0 && count <= int64_t{1} << 32; };
  if (reinterpret_cast<uintptr_t>(data) % 16 != 0 || !is_count(shape.columns) || !is_count(shape.rows) ||
      !is_count(shape.batches) || !is_stride(shape.row_stride) ||
      (shape.batches > 1 && !is_stride(shape.batch_stride)) || box_rows < 1 || box_rows > kMostTileRows) {
    throw Error(ErrorCode::kCuda, "CUDA: a matrix for which there is no tensor map");
  }
  return {data, shape, box_rows};
}

}  // namespace burgeon::cuda
