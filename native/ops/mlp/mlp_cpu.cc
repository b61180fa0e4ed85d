// Both are products whose epilogue applies GELU or its slope while the sums are still in registers.
#include "backend/cpu/product.h"
#include "ops/mlp/mlp.h"

namespace burgeon::BURGEON_ISA {

template <class Operand>
void mlp_forward(OpContext& ctx, float* act, float* pre, const float* x, const float* w, const float* bias,
                 const int32_t* rows, int64_t n, int64_t row_count, int64_t cols) {
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

template MlpForward<float> mlp_forward<Float32>;
template MlpForward<float> mlp_forward<Bfloat16>;
template MlpBackward<float> mlp_backward<Float32>;
template MlpBackward<float> mlp_backward<Bfloat16>;

}  // namespace burgeon::BURGEON_ISA
