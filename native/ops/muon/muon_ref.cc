#include <algorithm>
#include <cmath>

#include "ops/muon/muon.h"

namespace burgeon::ref {

namespace {

// A matrix or its transpose: element (i, k) at data[i * row + k * column].
template <class T>
struct View {
  T* data;
  int64_t row;
  int64_t column;
  T& at(int64_t i, int64_t k) const { return data[i * row + k * column]; }
};

// square (s, s) = x x^T of x (s, l): the part that the contract counts, and its mirror image.
template <class T>
void multiply_by_transpose(OpContext& ctx, T* square, const View<T>& x, int64_t s, int64_t l) {
  for (int64_t i = 0; i < s; ++i) {
    for (int64_t j = 0; j < std::min(s, (i / kSymmetricBlock + 1) * kSymmetricBlock); ++j) {
      double sum = 0;
      for (int64_t k = 0; k < l; ++k) {
        sum += static_cast<double>(x.at(i, k)) * x.at(j, k);
        ++ctx.multiply_adds;
      }
      square[i * s + j] = square[j * s + i] = static_cast<T>(sum);
    }
  }
}

// One iteration on x (s, l), s <= l.
template <class T>
void iterate(OpContext& ctx, const View<T>& x, const View<T>& next, T* gram, T* factor, int64_t s, int64_t l) {
  multiply_by_transpose(ctx, gram, x, s, l);
  multiply_by_transpose(ctx, factor, View<T>{gram, s, 1}, s, s);
  for (int64_t i = 0; i < s * s; ++i) {
    factor[i] = static_cast<T>(kNewtonSchulzB * gram[i] + kNewtonSchulzC * factor[i]);
  }
  for (int64_t i = 0; i < s; ++i) {
    for (int64_t k = 0; k < l; ++k) {
      double sum = 0;
      for (int64_t j = 0; j < s; ++j) {
        sum += static_cast<double>(factor[i * s + j]) * x.at(j, k);
        ++ctx.multiply_adds;
      }
      next.at(i, k) = static_cast<T>(kNewtonSchulzA * x.at(i, k) + sum);
    }
  }
}

template <class M>
void update_part(OpContext& ctx, const MuonRows<M>& part, const MuonStep& step, M* work) {
  const int64_t r = part.row_count;
  const int64_t C = part.cols;
  M* x = work;
  M* next = work + r * C;
  const auto begin_of = [&](int64_t j) { return (part.rows ? part.rows[j] : j) * C; };
  double squares = 0;
  for (int64_t j = 0; j < r; ++j) {
    M* const m = part.m + begin_of(j);
    M* const g = part.g + (part.compact_gradient ? j * C : begin_of(j));
    for (int64_t c = 0; c < C; ++c) {
      const double gradient = (1 - step.momentum) * step.gradient_scale * g[c];
      m[c] = static_cast<M>(step.momentum * m[c] + gradient);
      x[j * C + c] = static_cast<M>(step.momentum * m[c] + gradient);
      squares += static_cast<double>(x[j * C + c]) * x[j * C + c];
      if (!part.compact_gradient) g[c] = 0;
    }
  }
  const double norm = std::sqrt(squares);
  for (int64_t i = 0; i < r * C; ++i) x[i] = static_cast<M>(norm > 0 ? x[i] / norm : 0);

  const int64_t s = std::min(r, C);
  M* const gram = next + r * C;
  for (int i = 0; i < kNewtonSchulzSteps; ++i) {
    const auto view = [&](M* data) { return r <= C ? View<M>{data, C, 1} : View<M>{data, 1, C}; };
    iterate(ctx, view(x), view(next), gram, gram + s * s, s, std::max(r, C));
    std::swap(x, next);
  }
  const double rate = step.learning_rate * kUpdateRms * std::sqrt(static_cast<double>(std::max(r, C)));
  for (int64_t j = 0; j < r; ++j) {
    M* const w = part.w + begin_of(j);
    for (int64_t c = 0; c < C; ++c) {
      const bool decays = !step.cautious_decay || static_cast<double>(x[j * C + c]) * w[c] >= 0;
      w[c] = static_cast<M>(w[c] * (1 - step.learning_rate * (decays ? step.weight_decay : 0)) - rate * x[j * C + c]);
    }
  }
}

}  // namespace

template <class T>
void muon(OpContext& ctx, Parts<MuonRows<Master<T>>> parts, const MuonStep& step, Master<T>* work) {
  for (int64_t p = 0; p < parts.count; ++p) update_part(ctx, parts.first[p], step, work);
}

template Muon<float> muon<float>;
template Muon<double> muon<double>;

}  // namespace burgeon::ref
