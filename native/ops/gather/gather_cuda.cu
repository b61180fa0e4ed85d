// Between the masters of matrices and the compact copies of their active rows.
#include "kernels/cuda/row_parts.cuh"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

namespace {

struct Nothing {};

template <class T>
struct GatherPart {
  static constexpr int kLanes = kVector<T>;
  RowPlaces places;
  T* to;
  const float* from;

  template <int N>
  BURGEON_DEVICE void apply(const VectorPlace& at, Nothing) const {
    float x[N];
    load(x, from + at.master);
    store(to + at.compact, x);
  }
};

struct ScatterPart {
  static constexpr int kLanes = kVector<float>;
  RowPlaces places;
  float* to;
  const float* from;

  template <int N>
  BURGEON_DEVICE void apply(const VectorPlace& at, Nothing) const {
    float x[N];
    float y[N];
    load(x, from + at.compact);
    load(y, to + at.master);
#pragma unroll
    for (int i = 0; i < N; ++i) y[i] += x[i];
    store(to + at.master, y);
  }
};

}  // namespace

template <class T>
void gather_cast(Stream stream, Parts<GatheredRows<T, float>> parts, void* table) {
  launch_row_parts<GatherPart<T>>(stream, table, parts.count, Nothing{}, [&](int64_t i, int64_t* blocks) {
    const auto& [to, from, rows, listed, width] = parts.first[i];
    const auto [row_count, cols] = flat(rows, listed, width);
    const int lanes = in_vectors(kVector<T>, cols, to, from) ? kVector<T> : 1;
    return GatherPart<T>{row_places(rows, row_count, cols, lanes, blocks), to, from};
  });
}

void scatter_add(Stream stream, Parts<ScatteredRows<float>> parts, void* table) {
  launch_row_parts<ScatterPart>(stream, table, parts.count, Nothing{}, [&](int64_t i, int64_t* blocks) {
    const auto& [to, from, rows, listed, width] = parts.first[i];
    const auto [row_count, cols] = flat(rows, listed, width);
    const int lanes = in_vectors(kVector<float>, cols, to, from) ? kVector<float> : 1;
    return ScatterPart{row_places(rows, row_count, cols, lanes, blocks), to, from};
  });
}

template void gather_cast<float>(Stream, Parts<GatheredRows<float, float>>, void*);
template void gather_cast<bfloat16>(Stream, Parts<GatheredRows<bfloat16, float>>, void*);

}  // namespace burgeon::cuda
