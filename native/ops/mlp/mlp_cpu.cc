// Products whose epilogue applies the activation or its slope while the sums are still in registers.
#include "backend/cpu/few_rows.h"
#include "backend/cpu/product.h"
#include "ops/linear/linear.h"
#include "ops/mlp/mlp.h"

namespace burgeon::BURGEON_ISA {

template <class Operand>
LinearExpand<float> linear_expand;

template <class Operand>
void mlp_forward(OpContext& ctx, float* act, float* pre, const float* x, const float* w, const float* bias,
                 const int32_t* rows, int64_t n, int64_t row_count, int64_t cols) {
  if (n <= kFewRows) {
    linear_expand<Operand>(ctx, pre, row_count, x, w, bias, rows, n, row_count, cols, 1);
    for (int64_t i = 0; i < n * row_count; i += kWidth) {
      const int64_t left = n * row_count - i;
      store_first(act + i, gelu(load_first(pre + i, left)), left);
    }
    return;
  }
  Epilogue e{pre, row_count};
  e.bias = gather_bias(ctx, bias, rows, row_count);
  e.activated = act;
  multiply<Operand, Activation::kGelu>(ctx, n, row_count, cols, LaneRows{x, cols, nullptr}, LaneRows{w, cols, rows}, e);
}

template <class Operand>
void mlp_backward(OpContext& ctx, float* dpre, const float* dy, const float* pre, const float* w, const int32_t* rows,
                  int64_t n, int64_t row_count, int64_t cols, float alpha) {
  Epilogue e{dpre, row_count};
  e.alpha = alpha;
  e.pre = pre;
  multiply<Operand, Activation::kGeluSlope>(ctx, n, row_count, cols, LaneRows{dy, cols, nullptr},
                                            LaneRows{w, cols, rows}, e);
}

template <class Operand>
void swiglu_forward(OpContext& ctx, float* act, float* gate, float* up, const float* x, const float* gate_w,
                    const float* gate_bias, const float* up_w, const float* up_bias, const int32_t* rows, int64_t n,
                    int64_t row_count, int64_t cols) {
  linear_expand<Operand>(ctx, gate, row_count, x, gate_w, gate_bias, rows, n, row_count, cols, 1);
  if (n <= kFewRows) {
    linear_expand<Operand>(ctx, up, row_count, x, up_w, up_bias, rows, n, row_count, cols, 1);
    for (int64_t i = 0; i < n * row_count; i += kWidth) {
      const int64_t left = n * row_count - i;
      const Vec g = load_first(gate + i, left);
      store_first(act + i, load_first(up + i, left) * g * sigmoid(g), left);
    }
    return;
  }
  Epilogue e{up, row_count};
  e.bias = gather_bias(ctx, up_bias, rows, row_count);
  e.pre = gate;
  e.activated = act;
  multiply<Operand, Activation::kSwiglu>(ctx, n, row_count, cols, LaneRows{x, cols, nullptr},
                                         LaneRows{up_w, cols, rows}, e);
}

template <class Operand>
void swiglu_backward(OpContext& ctx, float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                     const float* w, const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, float alpha) {
  Epilogue e{dgate, row_count};
  e.alpha = alpha;
  e.pre = gate;
  e.up = up;
  e.activated = dup;
  multiply<Operand, Activation::kSwigluSlope>(ctx, n, row_count, cols, LaneRows{dy, cols, nullptr},
                                              LaneRows{w, cols, rows}, e);
}

template SwigluForward<float> swiglu_forward<Float32>;
template SwigluForward<float> swiglu_forward<Bfloat16>;
template SwigluBackward<float> swiglu_backward<Float32>;
template SwigluBackward<float> swiglu_backward<Bfloat16>;
template MlpForward<float> mlp_forward<Float32>;
template MlpForward<float> mlp_forward<Bfloat16>;
template MlpBackward<float> mlp_backward<Float32>;
template MlpBackward<float> mlp_backward<Bfloat16>;

}  // namespace burgeon::BURGEON_ISA
