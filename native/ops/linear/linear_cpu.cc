// The four products, through backend/cpu/product.h, for float32 and bfloat16 operands.
#include "backend/cpu/few_rows.h"
#include "backend/cpu/product.h"
#include "ops/linear/linear.h"

namespace burgeon::BURGEON_ISA {

template <class Operand>
void linear_expand(OpContext& ctx, float* y, int64_t y_stride, const float* x, const float* w, const float* bias,
                   const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, float alpha) {
  if (n <= kFewRows) {
    with_rows(n, [&](auto few) {
      expand_rows<Operand, few.value>(ctx, y, y_stride, x, w, bias, rows, row_count, cols, alpha);
    });
    ctx.multiply_adds += n * row_count * cols;
    return;
  }
  Epilogue e{y, y_stride};
  e.alpha = alpha;
  e.bias = gather_bias(ctx, bias, rows, row_count);
  multiply<Operand, Activation::kNone>(ctx, n, row_count, cols, LaneRows{x, cols, nullptr}, LaneRows{w, cols, rows}, e);
}

template <class Operand>
void linear_contract(OpContext& ctx, float* y, const float* x, int64_t x_stride, const float* w, const float* bias,
                     const float* residual, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols,
                     float alpha, float bias_scale) {
  if (n <= kFewRows && few_rows_scratch_floats(n, row_count, cols) <= kPackedFloats) {
    float* partial = reinterpret_cast<float*>(ctx.shared_scratch);
    with_rows(n, [&](auto few) {
      contract_rows<Operand, few.value>(ctx, partial, y, x, x_stride, w, bias, residual, rows, row_count, cols, alpha,
                                        bias_scale);
    });
    ctx.multiply_adds += n * row_count * cols;
    return;
  }
  Epilogue e{y, cols};
  e.alpha = alpha;
  e.bias = bias;
  e.bias_scale = bias_scale;
  e.residual = residual;
  multiply<Operand, Activation::kNone>(ctx, n, cols, row_count, LaneRows{x, x_stride, nullptr},
                                       LaneColumns{w, cols, rows}, e);
}

template <class Operand>
void linear_weight_gradient(OpContext& ctx, float* dw, const float* p, int64_t p_stride, const float* q,
                            const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, float alpha,
                            bool assigns) {
  Epilogue e{dw, cols, rows};
  e.alpha = alpha;
  e.add = !assigns;
  multiply<Operand, Activation::kNone>(ctx, row_count, cols, n, LaneColumns{p, p_stride, nullptr},
                                       LaneColumns{q, cols, nullptr}, e);
}

template LinearExpand<float> linear_expand<Float32>;
template LinearExpand<float> linear_expand<Bfloat16>;
template LinearContract<float> linear_contract<Float32>;
template LinearContract<float> linear_contract<Bfloat16>;
template LinearWeightGradient<float> linear_weight_gradient<Float32>;
template LinearWeightGradient<float> linear_weight_gradient<Bfloat16>;

void linear_bias_gradient(OpContext& ctx, float* db, const float* p, const int32_t* rows, int64_t n, int64_t row_count,
                          float alpha, bool assigns) {
  constexpr int64_t kVecs = 4;
  constexpr int64_t kChunk = kVecs * kWidth;
  constexpr int64_t kAhead = 16;  // rows are far apart, which the hardware does not foresee
  parallel_for(ctx, ceil_div(row_count, kChunk), [&](int64_t task, int) {
    const int64_t begin = task * kChunk;
    const int64_t count = smaller(kChunk, row_count - begin);
    Vec sums[kVecs] = {};
    float tail[kChunk] = {};
    if (count == kChunk) {
      for (int64_t i = 0; i < n; ++i) {
        const float* row = p + i * row_count + begin;
        prefetch_row(row + kAhead * row_count, kChunk);
        for (int v = 0; v < kVecs; ++v) sums[v] += load(row + v * kWidth);
      }
      for (int v = 0; v < kVecs; ++v) store(tail + v * kWidth, sums[v]);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t c = 0; c < count; ++c) tail[c] += p[i * row_count + begin + c];
      }
    }
    for (int64_t c = 0; c < count; ++c) {
      float& to = db[rows ? rows[begin + c] : begin + c];
      to = (assigns ? 0 : to) + alpha * tail[c];
    }
  });
}

}  // namespace burgeon::BURGEON_ISA
