#include "kernels/cpu/simd.h"
#include "ops/rotary/rotary.h"

namespace burgeon::BURGEON_ISA {

namespace {
constexpr int64_t kRowsPerTask = 32;
}

template <class T>
void rotary(OpContext& ctx, T* x, const Master<T>* table, int64_t n, int64_t sequence, int64_t stride, int64_t heads,
            int64_t head_size, bool inverse) {
  const int64_t half = head_size / 2;
  const float sign = inverse ? -1.0f : 1.0f;
  parallel_for(ctx, ceil_div(n, kRowsPerTask), [&](int64_t task, int) {
    for (int64_t i = task * kRowsPerTask; i < smaller(n, (task + 1) * kRowsPerTask); ++i) {
      const float* cosines = table + (i % sequence) * head_size;
      const float* sines = cosines + half;
      for (int64_t h = 0; h < heads; ++h) {
        T* first = x + i * stride + h * head_size;
        T* second = first + half;
        for (int64_t d = 0; d < half; d += kWidth) {
          const int64_t left = half - d;
          const Vec c = load_first(cosines + d, left);
          const Vec s = sign * load_first(sines + d, left);
          const Vec a = load_first(first + d, left);
          const Vec b = load_first(second + d, left);
          store_first(first + d, a * c - b * s, left);
          store_first(second + d, b * c + a * s, left);
        }
      }
    }
  });
}

template Rotary<float> rotary<float>;
template Rotary<bfloat16> rotary<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
