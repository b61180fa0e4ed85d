#include "ops/gather/gather.h"

namespace burgeon::ref {

template <class T>
void gather_rows(OpContext&, T* to, const T* from, const int32_t* rows, int64_t row_count, int64_t cols) {
  for (int64_t j = 0; j < row_count; ++j) {
    const int64_t row = rows ? rows[j] : j;
    for (int64_t c = 0; c < cols; ++c) to[j * cols + c] = from[row * cols + c];
  }
}

template <class T>
void scatter_add(OpContext&, Master<T>* to, const Master<T>* from, const int32_t* rows, int64_t row_count,
                 int64_t cols) {
  for (int64_t j = 0; j < row_count; ++j) {
    const int64_t row = rows ? rows[j] : j;
    for (int64_t c = 0; c < cols; ++c) to[row * cols + c] += from[j * cols + c];
  }
}

template GatherRows<float, float> gather_rows<float>;
template GatherRows<double, double> gather_rows<double>;
template ScatterAdd<float> scatter_add<float>;
template ScatterAdd<double> scatter_add<double>;

}  // namespace burgeon::ref
