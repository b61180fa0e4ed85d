// The products of the iteration go through kernels/cpu/product.h. So that none of them needs a pass of its own to scale
// what is added, x is kept as y with x = scale * y:
//   A = b scale^2 y y^T;  B = (c / b^2) A A + A = b x x^T + c (x x^T)^2
//   next x = a x + B x = (a scale) (y + B y / a)
#include "core/bfloat16.h"
#include "kernels/cpu/product.h"
#include "ops/muon/muon.h"

namespace burgeon::BURGEON_ISA {

namespace {

constexpr int64_t kMaxTasks = 256;

// Runs body(first row, end, task) for blocks of rows that do not depend on the number of threads; returns how many.
template <class Body>
BURGEON_INLINE int64_t for_row_blocks(OpContext& ctx, int64_t rows, Body body) {
  const int64_t each = ceil_div(rows, kMaxTasks);
  const int64_t tasks = ceil_div(rows, each);
  parallel_for(ctx, tasks, [&](int64_t task, int) { body(task * each, smaller(rows, (task + 1) * each), task); });
  return tasks;
}

// The momentum of a row, which moves, and what is orthogonalised; returns the sum of its squares.
double move_row(float* x, float* g, float* m, int64_t cols, float momentum, float gradient_scale, bool clears) {
  Vec squares{};
  double total = 0;
  for (int64_t i = 0; i < cols; i += kWidth) {
    const int64_t left = smaller(kWidth, cols - i);
    const Vec gradient = gradient_scale * load_first(g + i, left);
    const Vec moved = momentum * load_first(m + i, left) + gradient;
    const Vec value = momentum * moved + gradient;
    store_first(m + i, moved, left);
    store_first(x + i, value, left);
    if (clears) store_first(g + i, Vec{}, left);
    squares += value * value;
    // In float32 for as long as that has digits to spare.
    if ((i / kWidth + 1) % 256 == 0) {
      total += sum_lanes(squares);
      squares = Vec{};
    }
  }
  return total + sum_lanes(squares);
}

// Assigns x (row_count, cols), of norm 1, or 0.
void begin(OpContext& ctx, const MuonRows<float>& part, const MuonStep& step, float* x) {
  double* const partials = reinterpret_cast<double*>(ctx.shared_scratch);
  const int64_t cols = part.cols;
  const float momentum = static_cast<float>(step.momentum);
  const float gradient_scale = static_cast<float>((1 - step.momentum) * step.gradient_scale);
  const int64_t tasks = for_row_blocks(ctx, part.row_count, [&](int64_t first, int64_t end, int64_t task) {
    double total = 0;
    for (int64_t j = first; j < end; ++j) {
      const int64_t at = (part.rows ? part.rows[j] : j) * cols;
      total += move_row(x + j * cols, part.g + (part.compact_gradient ? j * cols : at), part.m + at, cols, momentum,
                        gradient_scale, !part.compact_gradient);
    }
    partials[task] = total;
  });
  double squares = 0;
  for (int64_t task = 0; task < tasks; ++task) squares += partials[task];
  const float factor = squares > 0 ? static_cast<float>(1 / __builtin_sqrt(squares)) : 0;
  for_row_blocks(ctx, part.row_count, [&](int64_t first, int64_t end, int64_t) {
    for (int64_t i = first * cols; i < end * cols; i += kWidth) {
      const int64_t left = smaller(kWidth, end * cols - i);
      store_first(x + i, factor * load_first(x + i, left), left);
    }
  });
}

// Elements above the diagonal of (n, n) from those below.
void mirror(OpContext& ctx, float* square, int64_t n) {
  constexpr int64_t kTile = 32;
  parallel_for(ctx, ceil_div(n, kTile), [&](int64_t task, int) {
    const int64_t first = task * kTile, end = smaller(n, first + kTile);
    for (int64_t tile = first; tile < n; tile += kTile) {
      for (int64_t i = first; i < end; ++i) {
        for (int64_t j = larger(i + 1, tile); j < smaller(n, tile + kTile); ++j) square[i * n + j] = square[j * n + i];
      }
    }
  });
}

// square (n, n) = alpha * the product of lanes with themselves [+ added], over `depth`. lanes_from(i): all from i on.
template <class Operand, class LanesFrom>
void multiply_symmetric(OpContext& ctx, float* square, int64_t n, int64_t depth, float alpha, const float* added,
                        LanesFrom lanes_from) {
  for (int64_t first = 0; first < n; first += kSymmetricBlock) {
    const int64_t end = smaller(n, first + kSymmetricBlock);
    Epilogue<float> e{square + first * n, n};
    e.alpha = alpha;
    e.residual = added ? added + first * n : nullptr;
    multiply<Operand, Activation::kNone>(ctx, end - first, end, depth, lanes_from(first), lanes_from(0), e);
  }
  mirror(ctx, square, n);
}

// Leaves the orthogonalised x in one of the two, and returns which, and what to multiply it with.
struct Orthogonalised {
  const float* y;
  float scale;
};
template <class Operand>
Orthogonalised orthogonalise(OpContext& ctx, float* y, float* next, float* square, int64_t rows, int64_t cols) {
  constexpr double a = kNewtonSchulzA, b = kNewtonSchulzB, c = kNewtonSchulzC;
  const int64_t n = smaller(rows, cols);
  float* const gram = square;
  float* const factor = square + n * n;
  double scale = 1;
  for (int i = 0; i < kNewtonSchulzSteps; ++i) {
    const float alpha = static_cast<float>(b * scale * scale);
    if (rows <= cols) {
      multiply_symmetric<Operand>(ctx, gram, n, cols, alpha, nullptr, [&](int64_t first) {
        return LaneRows<float>{y + first * cols, cols, nullptr};
      });
    } else {
      multiply_symmetric<Operand>(ctx, gram, n, rows, alpha, nullptr, [&](int64_t first) {
        return LaneColumns<float>{y + first, cols, nullptr};
      });
    }
    multiply_symmetric<Operand>(ctx, factor, n, n, static_cast<float>(c / (b * b)), gram, [&](int64_t first) {
      return LaneRows<float>{gram + first * n, n, nullptr};
    });
    Epilogue<float> e{next, cols};
    e.alpha = static_cast<float>(1 / a);
    e.residual = y;
    if (rows <= cols) {
      multiply<Operand, Activation::kNone>(ctx, rows, cols, n, LaneRows<float>{factor, n, nullptr},
                                           LaneColumns<float>{y, cols, nullptr}, e);
    } else {
      multiply<Operand, Activation::kNone>(ctx, rows, cols, n, LaneRows<float>{y, cols, nullptr},
                                           LaneRows<float>{factor, n, nullptr}, e);
    }
    scale *= a;
    float* const done = next;
    next = y;
    y = done;
  }
  return {y, static_cast<float>(scale)};
}

void apply(OpContext& ctx, const MuonRows<float>& part, const MuonStep& step, const Orthogonalised& x) {
  const int64_t cols = part.cols;
  const float keep = static_cast<float>(1 - step.learning_rate * step.weight_decay);
  const double size = kUpdateRms * __builtin_sqrt(static_cast<double>(larger(part.row_count, cols)));
  const float rate = static_cast<float>(step.learning_rate * size * x.scale);
  for_row_blocks(ctx, part.row_count, [&](int64_t first, int64_t end, int64_t) {
    for (int64_t j = first; j < end; ++j) {
      float* const w = part.w + (part.rows ? part.rows[j] : j) * cols;
      for (int64_t i = 0; i < cols; i += kWidth) {
        const int64_t left = smaller(kWidth, cols - i);
        const Vec weight = load_first(w + i, left);
        const Vec update = load_first(x.y + j * cols + i, left);
        const Vec kept = step.cautious_decay ? (update * weight >= 0.0f ? splat(keep) : splat(1.0f)) : splat(keep);
        store_first(w + i, kept * weight - rate * update, left);
      }
    }
  });
}

}  // namespace

template <class T>
void muon(OpContext& ctx, Parts<MuonRows<Master<T>>> parts, const MuonStep& step, Master<T>* work) {
  for (int64_t p = 0; p < parts.count; ++p) {
    const MuonRows<float>& part = parts.first[p];
    const int64_t size = part.row_count * part.cols;
    begin(ctx, part, step, work);
    apply(ctx, part, step,
          orthogonalise<OperandOf<T>>(ctx, work, work + size, work + 2 * size, part.row_count, part.cols));
  }
}

template Muon<float, float> muon<float>;
template Muon<bfloat16, float> muon<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
