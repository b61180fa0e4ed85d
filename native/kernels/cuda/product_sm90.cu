// Products of bfloat16 on sm_90a. A block stays on its multiprocessor and takes one tile of D after another: a thread
// of the first warpgroup orders loads of the tiles of A and B, 64 positions of the shared dimension at a time, into a
// ring of stages; two warpgroups multiply what has arrived, 64 rows each. Two barriers per stage say that it is full,
// and that it is free again, so loads run ahead, over the ends of tiles too, and nobody waits for a whole block.
//
// A wgmma of 64 x 256 x 16 reads 2 KiB of A and 8 KiB of B from shared memory in the 128 cycles that a multiprocessor's
// tensor cores need for it, 80 bytes a cycle of the 128 there are; of 64 x 128 x 16, 96 bytes. A stage of a 128 x 256
// tile is 48 KiB for 1024 cycles of products.
#include <type_traits>

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/exponentials.cuh"
#include "kernels/cuda/product_sm90.h"
#include "kernels/cuda/quad.cuh"
#include "kernels/cuda/ring.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/swizzled_tile.cuh"

namespace burgeon::cuda {

namespace {

constexpr int kTileM = 128;
constexpr int kDepth = 64;  // of a stage
constexpr int kThreads = 3 * kWarpgroup;
constexpr int kConsumerWarps = 2 * kWarpgroup / kWarpSize;
static_assert(kSplitDepth % kDepth == 0, "a stage is of one split");

// kLanes lanes and kDepth positions of the shared dimension, the way the operand lies.
template <bool kAcross, int kLanes>
struct StageTile {
  using Tile = SwizzledTile<kAcross ? kLanes : kDepth, kAcross ? kDepth : kLanes>;
  static constexpr int kBytes = Tile::kBytes;
  static constexpr int kBoxRows = kAcross ? kLanes : kDepth;

  static TensorMap map(const Operand<bfloat16>& operand, int lanes, int depth) {
    return tensor_map(operand.data, {kAcross ? depth : lanes, kAcross ? lanes : depth, operand.stride}, kBoxRows);
  }
  BURGEON_DEVICE static void load(SharedAddress tile, const TensorMap& map, int lane, int k, SharedAddress barrier) {
    Tile::load(tile, map, kAcross ? k : lane, kAcross ? lane : k, 0, barrier);
  }
  BURGEON_DEVICE static uint64_t operand(SharedAddress tile, int lane, int k) {
    return kAcross ? Tile::across(tile, lane, k) : Tile::down(tile, k, lane);
  }
};

// A stage has a tile of A and one of B.
template <bool kAcrossA, bool kAcrossB, int kTileN>
struct Stages {
  using TileA = StageTile<kAcrossA, kTileM>;
  using TileB = StageTile<kAcrossB, kTileN>;
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  using Ring = cuda::Ring<kTileN == 256 ? 4 : 6, kStageBytes>;
};

// The work of a block: units, each a tile of D for one split, and the steps of their shared dimension.
struct Unit {
  int first_m;
  int first_n;
  int split;
  int first_k;
  int steps;
};

template <int kTileN>
struct Units {
  ProductShape shape;
  int split_k;
  int m_tiles;
  int n_tiles;

  BURGEON_DEVICE Units(const ProductShape& s, int depth)
      : shape(s), split_k(depth), m_tiles((s.m + kTileM - 1) / kTileM), n_tiles((s.n + kTileN - 1) / kTileN) {}
  BURGEON_DEVICE Unit operator[](int index) const {
    const int tiles = m_tiles * n_tiles;
    const TilePlace place = tile_place(index % tiles, m_tiles, n_tiles);
    const int split = index / tiles;
    const int first_k = split * split_k;
    const int end = first_k + split_k < shape.k ? first_k + split_k : shape.k;
    return {place.m * kTileM, place.n * kTileN, split, first_k, (end - first_k + kDepth - 1) / kDepth};
  }
};

template <int kTileN, class Epilogue>
BURGEON_DEVICE void finish(const float (&sums)[kTileN / 8][4], int first_m, int first_n, const ProductShape& shape,
                           const Epilogue& epilogue, bool vectors) {
  constexpr int N = Epilogue::kColumns;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first_m + quad_row(half);
#pragma unroll
    for (int n = 0; n < kTileN / 8; n += N / 2) {
      float v[N];
      const int column = first_n + quad_columns(v, sums, n, half);
      if (row >= shape.m) continue;
      if (vectors && column + N <= shape.n) {
        epilogue.apply(row, column, v);
      } else {
#pragma unroll
        for (int c = 0; c < N; ++c) {
          float one[1] = {v[c]};
          if (column + c < shape.n) epilogue.apply(row, column + c, one);
        }
      }
    }
  }
}

template <bool kAcrossA, bool kAcrossB, int kTileN, class Epilogue>
BURGEON_KERNEL(kThreads, 1)
sm90_product_kernel(BURGEON_TENSOR_MAP(map_a), BURGEON_TENSOR_MAP(map_b), ProductShape shape, int unit_count,
                    int split_k, Epilogue epilogue, bool vectors) {
  using TileA = typename Stages<kAcrossA, kAcrossB, kTileN>::TileA;
  using TileB = typename Stages<kAcrossA, kAcrossB, kTileN>::TileB;
  BURGEON_TILE_SHARED(bytes);
  const typename Stages<kAcrossA, kAcrossB, kTileN>::Ring ring{shared_address(bytes)};
  const Units<kTileN> units(shape, split_k);
  if (thread_index() == 0) {
    ring.init(1, kConsumerWarps);
    fence_barriers();
  }
  sync_threads();

  const int warpgroup = thread_index() / kWarpgroup;
  int step = 0;  // of all units
  if (warpgroup == 0) {
    give_registers<40>();
    if (thread_index() != 0) return;
    for (int index = block_x(); index < unit_count; index += grid_x()) {
      const Unit unit = units[index];
      for (int i = 0; i < unit.steps; ++i, ++step) {
        const int k = unit.first_k + i * kDepth;
        ring.wait_until_free(step);
        arrive_expecting(ring.full(step), TileA::kBytes + TileB::kBytes);
        TileA::load(ring.stage(step), map_a, unit.first_m, k, ring.full(step));
        TileB::load(ring.stage(step) + TileA::kBytes, map_b, unit.first_n, k, ring.full(step));
      }
    }
    return;
  }

  take_registers<232>();
  const int own = (warpgroup - 1) * 64;
  for (int index = block_x(); index < unit_count; index += grid_x()) {
    const Unit unit = units[index];
    float sums[kTileN / 8][4];
#pragma unroll 1
    for (int i = 0; i < unit.steps; ++i, ++step) {
      ring.wait_until_full(step);
      begin_products(sums);
#pragma unroll
      for (int k = 0; k < kDepth; k += 16) {
        multiply_async<kAcrossA, kAcrossB>(sums, TileA::operand(ring.stage(step), own, k),
                                           TileB::operand(ring.stage(step) + TileA::kBytes, 0, k), i > 0 || k > 0);
      }
      commit_products();
      // The products of the step before are over, and with them its stage.
      wait_for_products<1>();
      if (i > 0) ring.release(step - 1);
    }
    wait_for_products<0>(sums);
    ring.release(step - 1);
    if constexpr (std::is_same_v<Epilogue, Exponentials>) {
      finish_exponentials(sums, unit.first_m + own, unit.first_n, shape, epilogue);
    } else {
      finish<kTileN>(sums, unit.first_m + own, unit.first_n, shape, epilogue.of_split(unit.split), vectors);
    }
  }
}

}  // namespace

template <bool kAcrossA, bool kAcrossB, int kTileN, class Epilogue>
void launch_sm90_tiles(Stream stream, const Operand<bfloat16>& a, const Operand<bfloat16>& b, const ProductShape& shape,
                       int splits, int split_k, const Epilogue& epilogue) {
  using Parts = Stages<kAcrossA, kAcrossB, kTileN>;
  const int64_t count = ceil_div(shape.m, kTileM) * ceil_div(shape.n, kTileN) * splits;
  if (count == 0) return;
  if (count > 0x7fffffff) throw Error(ErrorCode::kCuda, "CUDA: a product has more than 2^31 - 1 tiles");
  const int64_t blocks = count < multiprocessor_count() ? count : multiprocessor_count();
  launch(stream, {blocks}, kThreads, Parts::Ring::kBytes, sm90_product_kernel<kAcrossA, kAcrossB, kTileN, Epilogue>,
         Parts::TileA::map(a, shape.m, shape.k), Parts::TileB::map(b, shape.n, shape.k), shape, static_cast<int>(count),
         split_k, epilogue, epilogue.vectors());
}

template <bool kAcrossA, bool kAcrossB, class Epilogue>
void launch_sm90_product(Stream stream, const Operand<bfloat16>& a, const Operand<bfloat16>& b,
                         const ProductShape& shape, int splits, int split_k, const Epilogue& epilogue) {
  const int64_t wide = ceil_div(shape.m, kTileM) * ceil_div(shape.n, 256) * splits;
  if (wide >= multiprocessor_count()) {
    launch_sm90_tiles<kAcrossA, kAcrossB, 256>(stream, a, b, shape, splits, split_k, epilogue);
  } else {
    launch_sm90_tiles<kAcrossA, kAcrossB, 128>(stream, a, b, shape, splits, split_k, epilogue);
  }
}

#define BURGEON_PRODUCT(across_a, across_b, ...)                                                                       \
  template void launch_sm90_tiles<across_a, across_b, 128>(Stream, const Operand<bfloat16>&, const Operand<bfloat16>&, \
                                                           const ProductShape&, int, int, const __VA_ARGS__&);         \
  template void launch_sm90_tiles<across_a, across_b, 256>(Stream, const Operand<bfloat16>&, const Operand<bfloat16>&, \
                                                           const ProductShape&, int, int, const __VA_ARGS__&);         \
  template void launch_sm90_product<across_a, across_b>(Stream, const Operand<bfloat16>&, const Operand<bfloat16>&,    \
                                                        const ProductShape&, int, int, const __VA_ARGS__&);
BURGEON_PRODUCT(true, true, ActivationEpilogue<bfloat16, Activation::kNone>)
BURGEON_PRODUCT(true, true, ActivationEpilogue<bfloat16, Activation::kGelu>)
BURGEON_PRODUCT(true, true, ActivationEpilogue<bfloat16, Activation::kGeluSlope>)
BURGEON_PRODUCT(true, false, ActivationEpilogue<bfloat16, Activation::kNone>)
BURGEON_PRODUCT(true, true, Exponentials)
BURGEON_PRODUCT(false, false, GradientEpilogue)
#undef BURGEON_PRODUCT

}  // namespace burgeon::cuda
