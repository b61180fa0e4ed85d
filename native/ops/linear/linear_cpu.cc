// The products, through kernels/cpu/product.h. T: the type of activations, float or bfloat16. Weights are floats, and
// so is the residual stream that contractions add to.
#include "kernels/cpu/few_rows.h"
#include "kernels/cpu/product.h"
#include "ops/linear/linear.h"

namespace burgeon::BURGEON_ISA {

namespace {

// The gradient of a bias: sums of the columns of p.
template <class T>
void add_columns(OpContext& ctx, Master<T>* db, const T* p, int64_t p_stride, const int32_t* rows, int64_t n,
                 int64_t row_count, bool assigns) {
  constexpr int64_t kVecs = 4;
  constexpr int64_t kChunk = kVecs * kWidth;
  constexpr int64_t kAhead = 16;  // rows are far apart, which the hardware does not foresee
  parallel_for(ctx, ceil_div(row_count, kChunk), [&](int64_t task, int) {
    const int64_t begin = task * kChunk;
    const int64_t count = smaller(kChunk, row_count - begin);
    Vec sums[kVecs] = {};
    for (int64_t i = 0; i < n; ++i) {
      const T* row = p + i * p_stride + begin;
      prefetch_row(row + kAhead * p_stride, kChunk);
      if (count == kChunk) {
        for (int v = 0; v < kVecs; ++v) sums[v] += load(row + v * kWidth);
      } else {
        for (int v = 0; v < kVecs; ++v) sums[v] += load_first(row + v * kWidth, count - v * kWidth);
      }
    }
    float total[kChunk];
    for (int v = 0; v < kVecs; ++v) store(total + v * kWidth, sums[v]);
    for (int64_t c = 0; c < count; ++c) {
      float& to = db[rows ? rows[begin + c] : begin + c];
      to = (assigns ? 0 : to) + total[c];
    }
  });
}

}  // namespace

template <class T>
void linear_expand(OpContext& ctx, T* y, int64_t y_stride, const T* x, const float* w, const Master<T>* bias,
                   const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha) {
  if (n <= kFewRows) {
    with_rows(n, [&](auto few) {
      expand_rows<OperandOf<T>, few.value>(ctx, y, y_stride, x, w, bias, rows, row_count, cols, alpha);
    });
    ctx.multiply_adds += n * row_count * cols;
    return;
  }
  Epilogue<T> e{y, y_stride};
  e.alpha = alpha;
  set_bias(e, ctx, bias, rows, row_count);
  multiply<OperandOf<T>, Activation::kNone>(ctx, n, row_count, cols, LaneRows<T>{x, cols, nullptr},
                                            LaneRows<float>{w, cols, rows}, e);
}

template <class T>
void linear_contract(OpContext& ctx, float* y, const T* x, int64_t x_stride, const float* w, const Master<T>* bias,
                     const float* residual, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols,
                     Master<T> alpha, Master<T> bias_scale) {
  if (n <= kFewRows && few_rows_scratch_floats(n, row_count, cols) <= kPackedFloats) {
    float* partial = reinterpret_cast<float*>(ctx.shared_scratch);
    with_rows(n, [&](auto few) {
      contract_rows<OperandOf<T>, few.value>(ctx, partial, y, x, x_stride, w, bias, residual, rows, row_count, cols,
                                             alpha, bias_scale);
    });
    ctx.multiply_adds += n * row_count * cols;
    return;
  }
  Epilogue<float> e{y, cols};
  e.alpha = alpha;
  e.bias = bias;
  e.bias_scale = bias_scale;
  e.residual = residual;
  multiply<OperandOf<T>, Activation::kNone>(ctx, n, cols, row_count, LaneRows<T>{x, x_stride, nullptr},
                                            LaneColumns<float>{w, cols, rows}, e);
}

template <class T>
void linear_weight_gradient(OpContext& ctx, Master<T>* dw, Master<T>* db, const T* p, int64_t p_stride, const T* q,
                            const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha,
                            bool assigns) {
  Epilogue<float> e{dw, cols, rows};
  e.alpha = alpha;
  e.add = !assigns;
  multiply<OperandOf<T>, Activation::kNone>(ctx, row_count, cols, n, LaneColumns<T>{p, p_stride, nullptr},
                                            LaneColumns<T>{q, cols, nullptr}, e);
  if (db) add_columns(ctx, db, p, p_stride, rows, n, row_count, assigns);
}

template LinearExpand<float, float> linear_expand<float>;
template LinearExpand<bfloat16, float> linear_expand<bfloat16>;
template LinearContract<float, float> linear_contract<float>;
template LinearContract<bfloat16, float> linear_contract<bfloat16>;
template LinearWeightGradient<float> linear_weight_gradient<float>;
template LinearWeightGradient<bfloat16> linear_weight_gradient<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
