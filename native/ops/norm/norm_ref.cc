#include <cmath>

#include "ops/norm/norm.h"

namespace burgeon::ref {

template <class T>
void norm_forward(OpContext&, T* y, Master<T>* mean, Master<T>* rstd, const T* x, const Master<T>* weight,
                  const Master<T>* bias, int64_t n, int64_t width, Master<T> epsilon) {
  for (int64_t i = 0; i < n; ++i) {
    const T* row = x + i * width;
    double sum = 0;
    for (int64_t c = 0; c < width; ++c) sum += row[c];
    const double average = mean ? sum / width : 0;
    double squares = 0;
    for (int64_t c = 0; c < width; ++c) squares += (row[c] - average) * (row[c] - average);
    const double scale = 1.0 / std::sqrt(squares / width + epsilon);
    for (int64_t c = 0; c < width; ++c) {
      y[i * width + c] = static_cast<T>((row[c] - average) * scale * weight[c] + (mean ? bias[c] : 0));
    }
    if (mean) mean[i] = static_cast<T>(average);
    rstd[i] = static_cast<T>(scale);
  }
}

template <class T>
void norm_backward(OpContext&, T* dx, T* branch, Master<T>* dweight, Master<T>* dbias, Master<T>* dshift,
                   Master<T> shift_scale, const T* dy, const T* x, const Master<T>* mean, const Master<T>* rstd,
                   const Master<T>* weight, int64_t n, int64_t width) {
  for (int64_t i = 0; i < n; ++i) {
    const double average = mean ? mean[i] : 0;
    double sum_g = 0;
    double sum_gh = 0;
    for (int64_t c = 0; c < width; ++c) {
      const double h = (static_cast<double>(x[i * width + c]) - average) * rstd[i];
      const double g = static_cast<double>(dy[i * width + c]) * weight[c];
      if (mean) sum_g += g;
      sum_gh += g * h;
      dweight[c] += static_cast<T>(dy[i * width + c] * h);
      if (mean) dbias[c] += dy[i * width + c];
    }
    for (int64_t c = 0; c < width; ++c) {
      const double h = (static_cast<double>(x[i * width + c]) - average) * rstd[i];
      const double g = static_cast<double>(dy[i * width + c]) * weight[c];
      dx[i * width + c] += static_cast<T>(rstd[i] * (g - sum_g / width - h * sum_gh / width));
      if (branch) branch[i * width + c] = dx[i * width + c];
    }
  }
  for (int64_t c = 0; c < width && dshift; ++c) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += dx[i * width + c];
    dshift[c] += static_cast<T>(shift_scale * sum);
  }
}

template NormForward<float> norm_forward<float>;
template NormForward<double> norm_forward<double>;
template NormBackward<float> norm_backward<float>;
template NormBackward<double> norm_backward<double>;

}  // namespace burgeon::ref
