#include "ops/global_norm/global_norm.h"

namespace burgeon::ref {

template <class T>
void sum_of_squares(OpContext&, double* sums, Parts<SquaredRows<Master<T>>> parts) {
  for (int64_t p = 0; p < parts.count; ++p) {
    const SquaredRows<Master<T>>& part = parts.first[p];
    double sum = 0;
    for (int64_t j = 0; j < part.row_count; ++j) {
      const T* row = part.x + (part.rows ? part.rows[j] : j) * part.cols;
      for (int64_t c = 0; c < part.cols; ++c) sum += static_cast<double>(row[c]) * row[c];
    }
    sums[p] = sum;
  }
}

template SumOfSquares<float> sum_of_squares<float>;
template SumOfSquares<double> sum_of_squares<double>;

}  // namespace burgeon::ref
