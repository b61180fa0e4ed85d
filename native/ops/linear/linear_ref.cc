#include "ops/linear/linear.h"

namespace burgeon::ref {

namespace {
inline int64_t row_of(const int32_t* rows, int64_t j) { return rows ? rows[j] : j; }
}  // namespace

template <class T>
void linear_expand(OpContext& ctx, T* y, int64_t y_stride, const T* x, const T* w, const Master<T>* bias,
                   const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < row_count; ++j) {
      const int64_t row = row_of(rows, j);
      double sum = 0;
      for (int64_t c = 0; c < cols; ++c) {
        sum += static_cast<double>(x[i * cols + c]) * w[row * cols + c];
        ++ctx.multiply_adds;
      }
      y[i * y_stride + j] = static_cast<T>(alpha * sum + (bias ? bias[row] : T(0)));
    }
  }
}

template <class T>
void linear_contract(OpContext& ctx, T* y, const T* x, int64_t x_stride, const T* w, const Master<T>* bias,
                     const T* residual, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols,
                     Master<T> alpha, Master<T> bias_scale) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < cols; ++c) {
      double sum = 0;
      for (int64_t j = 0; j < row_count; ++j) {
        sum += static_cast<double>(x[i * x_stride + j]) * w[row_of(rows, j) * cols + c];
        ++ctx.multiply_adds;
      }
      const double offset = bias ? static_cast<double>(bias_scale) * bias[c] : 0.0;
      y[i * cols + c] = static_cast<T>(alpha * sum + offset + (residual ? residual[i * cols + c] : T(0)));
    }
  }
}

template <class T>
void linear_weight_gradient(OpContext& ctx, Master<T>* dw, Master<T>* db, const T* p, int64_t p_stride, const T* q,
                            const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha,
                            bool assigns) {
  for (int64_t j = 0; j < row_count; ++j) {
    T* row = dw + row_of(rows, j) * cols;
    for (int64_t c = 0; c < cols; ++c) {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) {
        sum += static_cast<double>(p[i * p_stride + j]) * q[i * cols + c];
        ++ctx.multiply_adds;
      }
      row[c] = (assigns ? T(0) : row[c]) + static_cast<T>(alpha * sum);
    }
    if (!db) continue;
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += p[i * p_stride + j];
    T& to = db[row_of(rows, j)];
    to = (assigns ? T(0) : to) + static_cast<T>(sum);
  }
}

template LinearExpand<float> linear_expand<float>;
template LinearExpand<double> linear_expand<double>;
template LinearContract<float> linear_contract<float>;
template LinearContract<double> linear_contract<double>;
template LinearWeightGradient<float> linear_weight_gradient<float>;
template LinearWeightGradient<double> linear_weight_gradient<double>;

}  // namespace burgeon::ref
