#include "ops/gather/gather.h"

namespace burgeon::ref {

namespace {

template <class T>
void gather(Parts<GatheredRows<T, T>> parts) {
  for (int64_t i = 0; i < parts.count; ++i) {
    const GatheredRows<T, T>& part = parts.first[i];
    for (int64_t j = 0; j < part.row_count; ++j) {
      const int64_t row = part.rows ? part.rows[j] : j;
      for (int64_t c = 0; c < part.cols; ++c) part.to[j * part.cols + c] = part.from[row * part.cols + c];
    }
  }
}

}  // namespace

template <class T>
void gather_matrix(OpContext&, Parts<GatheredRows<T, Master<T>>> parts) {
  gather(parts);
}

template <class T>
void gather_vector(OpContext&, Parts<GatheredRows<Master<T>, Master<T>>> parts) {
  gather(parts);
}

template <class T>
void scatter_add(OpContext&, Parts<ScatteredRows<Master<T>>> parts) {
  for (int64_t i = 0; i < parts.count; ++i) {
    const ScatteredRows<Master<T>>& part = parts.first[i];
    for (int64_t j = 0; j < part.row_count; ++j) {
      const int64_t row = part.rows ? part.rows[j] : j;
      for (int64_t c = 0; c < part.cols; ++c) part.to[row * part.cols + c] += part.from[j * part.cols + c];
    }
  }
}

template GatherMatrix<float> gather_matrix<float>;
template GatherMatrix<double> gather_matrix<double>;
template GatherVector<float> gather_vector<float>;
template GatherVector<double> gather_vector<double>;
template ScatterAdd<float> scatter_add<float>;
template ScatterAdd<double> scatter_add<double>;

}  // namespace burgeon::ref
