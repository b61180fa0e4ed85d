// Kernels that work on rows of many matrices at once (core/parts.h): a table of the parts in device memory, each cut
// into blocks. One launch serves all of a model's tensors, where one for each would cost more than its bytes.
#pragma once

#include "kernels/cuda/runtime.h"
#include "kernels/cuda/stream.h"
#include "kernels/cuda/vector.cuh"

namespace burgeon::cuda {

// Where vectors of `lanes` elements of the active rows of one matrix are.
struct RowPlaces {
  const int32_t* rows;
  uint32_t count;  // of vectors
  uint32_t per_row;
  uint32_t first_block;
  int lanes;
};

struct VectorPlace {
  int64_t master;   // its first element in the matrix
  int64_t compact;  // and among the active rows
};
template <int N>
BURGEON_DEVICE VectorPlace place_of(const RowPlaces& places, uint32_t index) {
  const uint32_t j = index / places.per_row;
  const int64_t row = places.rows ? places.rows[j] : j;
  return {(row * places.per_row + index % places.per_row) * N, static_cast<int64_t>(index) * N};
}

constexpr uint32_t kSweeps = 8;  // of a block, so that finding its part is little of its time
constexpr uint32_t kBlockVectors = kElementThreads * kSweeps;

// The part that this block works on.
template <class Part>
BURGEON_DEVICE const Part& part_of_block(const Part* parts, int count) {
  int low = 0;
  int high = count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (parts[middle].places.first_block <= static_cast<uint32_t>(block_x())) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return parts[low];
}

template <int N, class Visit>
BURGEON_DEVICE void for_block_vectors(const RowPlaces& places, Visit visit) {
  uint32_t index =
      (static_cast<uint32_t>(block_x()) - places.first_block) * kBlockVectors + static_cast<uint32_t>(thread_index());
#pragma unroll 2
  for (uint32_t sweep = 0; sweep < kSweeps; ++sweep, index += kElementThreads) {
    if (index < places.count) visit(place_of<N>(places, index));
  }
}

// Part has `places`, a constant kLanes and `apply<N>(place, argument)`.
template <class Part, class Argument>
BURGEON_KERNEL(kElementThreads, 4)
row_parts_kernel(const Part* parts, int count, Argument argument) {
  const Part part = part_of_block(parts, count);
  if (part.places.lanes == 1) {
    for_block_vectors<1>(part.places, [&](const VectorPlace& at) { part.template apply<1>(at, argument); });
  } else {
    for_block_vectors<Part::kLanes>(part.places,
                                    [&](const VectorPlace& at) { part.template apply<Part::kLanes>(at, argument); });
  }
}

// Rows of a matrix without a list are one run of elements.
struct RowShape {
  int64_t row_count;
  int64_t cols;
};
inline RowShape flat(const int32_t* rows, int64_t row_count, int64_t cols) {
  return rows ? RowShape{row_count, cols} : RowShape{1, row_count * cols};
}

// Places of rows that follow `blocks` blocks of other parts, which it counts on.
inline RowPlaces row_places(const int32_t* rows, int64_t row_count, int64_t cols, int lanes, int64_t* blocks) {
  const int64_t count = row_count * (cols / lanes);
  grid_of(count);  // refuses what is too large
  const RowPlaces places{rows, static_cast<uint32_t>(count), static_cast<uint32_t>(cols / lanes),
                         static_cast<uint32_t>(*blocks), lanes};
  *blocks += ceil_div(count, kBlockVectors);
  return places;
}

// Calls launch(parts on the device, their number, blocks) for as many parts at a time as the table holds;
// make(i, &blocks) is part i.
template <class Part, class Make, class Launch>
void for_tables(Stream stream, void* table, int64_t count, Make make, Launch launch) {
  constexpr int64_t kMost = static_cast<int64_t>(kTableBytes / sizeof(Part));
  Part parts[kMost];
  for (int64_t first = 0; first < count; first += kMost) {
    const int64_t taken = count - first < kMost ? count - first : kMost;
    int64_t blocks = 0;
    for (int64_t i = 0; i < taken; ++i) parts[i] = make(first + i, &blocks);
    write(stream, table, parts, static_cast<size_t>(taken) * sizeof(Part));
    launch(static_cast<const Part*>(table), static_cast<int>(taken), first, blocks);
  }
}

template <class Part, class Argument, class Make>
void launch_row_parts(Stream stream, void* table, int64_t count, Argument argument, Make make) {
  for_tables<Part>(stream, table, count, make, [&](const Part* parts, int taken, int64_t, int64_t blocks) {
    launch(stream, {blocks}, kElementThreads, 0, row_parts_kernel<Part, Argument>, parts, taken, argument);
  });
}

}  // namespace burgeon::cuda
