#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/row_parts.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

struct SquarePart {
  static constexpr int kLanes = kVector<float>;
  RowPlaces places;
  const float* x;
};

template <int N>
BURGEON_DEVICE double squares_of_block(const SquarePart& part) {
  double sum = 0;
  for_block_vectors<N>(part.places, [&](const VectorPlace& at) {
    float v[N];
    load(v, part.x + at.master);
    float squares = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) squares += v[i] * v[i];
    sum += squares;
  });
  return sum;
}

BURGEON_KERNEL(kElementThreads, 2) squares_kernel(double* partials, const SquarePart* parts, int count) {
  const SquarePart part = part_of_block(parts, count);
  double sum = part.places.lanes == 1 ? squares_of_block<1>(part) : squares_of_block<SquarePart::kLanes>(part);
  sum = block_sum(sum);
  if (thread_index() == 0) partials[block_x()] = sum;
}

// One block for each part.
BURGEON_KERNEL(kElementThreads, 1)
sum_partials_kernel(double* sums, const double* partials, const SquarePart* parts, int count, int64_t blocks) {
  const int64_t begin = parts[block_x()].places.first_block;
  const int64_t end = block_x() + 1 < count ? parts[block_x() + 1].places.first_block : blocks;
  double sum = 0;
  for (int64_t i = begin + thread_index(); i < end; i += kElementThreads) sum += partials[i];
  sum = block_sum(sum);
  if (thread_index() == 0) sums[block_x()] = sum;
}

}  // namespace

size_t sum_of_squares_scratch_bytes(int64_t parts, int64_t elements) {
  // Every part may end with a block that is not full.
  return static_cast<size_t>(parts + ceil_div(elements, kBlockVectors)) * sizeof(double);
}

void sum_of_squares(Stream stream, double* sums, Parts<SquaredRows<float>> parts, void* table, void* scratch) {
  double* const partials = static_cast<double*>(scratch);
  for_tables<SquarePart>(
      stream, table, parts.count,
      [&](int64_t i, int64_t* blocks) {
        const auto& [x, rows, listed, width] = parts.first[i];
        const auto [row_count, cols] = flat(rows, listed, width);
        const int lanes = in_vectors(kVector<float>, cols, x) ? kVector<float> : 1;
        return SquarePart{row_places(rows, row_count, cols, lanes, blocks), x};
      },
      [&](const SquarePart* on_device, int taken, int64_t first, int64_t blocks) {
        launch(stream, {blocks}, kElementThreads, 0, squares_kernel, partials, on_device, taken);
        launch(stream, {taken}, kElementThreads, 0, sum_partials_kernel, sums + first, partials, on_device, taken,
               blocks);
      });
}

}  // namespace burgeon::cuda
