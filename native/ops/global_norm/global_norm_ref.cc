#include "ops/global_norm/global_norm.h"

namespace burgeon::ref {

template <class T>
void sum_of_squares(OpContext&, double* result, const Master<T>* x, const int32_t* rows, int64_t row_count,
                    int64_t cols) {
  double sum = 0;
  for (int64_t j = 0; j < row_count; ++j) {
    const T* row = x + (rows ? rows[j] : j) * cols;
    for (int64_t c = 0; c < cols; ++c) sum += static_cast<double>(row[c]) * row[c];
  }
  *result = sum;
}

template SumOfSquares<float> sum_of_squares<float>;
template SumOfSquares<double> sum_of_squares<double>;

}  // namespace burgeon::ref
