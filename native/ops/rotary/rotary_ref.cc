#include "ops/rotary/rotary.h"

namespace burgeon::ref {

template <class T>
void rotary(OpContext&, T* x, const Master<T>* table, int64_t n, int64_t sequence, int64_t stride, int64_t heads,
            int64_t head_size, bool inverse) {
  const int64_t half = head_size / 2;
  for (int64_t i = 0; i < n; ++i) {
    const T* cosines = table + (i % sequence) * head_size;
    for (int64_t h = 0; h < heads; ++h) {
      T* first = x + i * stride + h * head_size;
      for (int64_t d = 0; d < half; ++d) {
        const double c = cosines[d];
        const double s = inverse ? -cosines[half + d] : cosines[half + d];
        const double a = first[d];
        const double b = first[half + d];
        first[d] = static_cast<T>(a * c - b * s);
        first[half + d] = static_cast<T>(b * c + a * s);
      }
    }
  }
}

template Rotary<float> rotary<float>;
template Rotary<double> rotary<double>;

}  // namespace burgeon::ref
