// Products whose epilogue applies the activation or its slope while the sums are still in registers.
#include "kernels/cpu/few_rows.h"
#include "kernels/cpu/product.h"
#include "ops/linear/linear.h"
#include "ops/mlp/mlp.h"

namespace burgeon::BURGEON_ISA {

template <class T>
LinearExpand<T, float> linear_expand;

template <class T>
void mlp_forward(OpContext& ctx, T* act, T* pre, const T* x, const float* w, const Master<T>* bias, const int32_t* rows,
                 int64_t n, int64_t row_count, int64_t cols) {
  if (n <= kFewRows) {
    linear_expand<T>(ctx, pre, row_count, x, w, bias, rows, n, row_count, cols, 1);
    for (int64_t i = 0; i < n * row_count; i += kWidth) {
      const int64_t left = n * row_count - i;
      store_first(act + i, gelu<T>(load_first(pre + i, left)), left);
    }
    return;
  }
  Epilogue<T> e{pre, row_count};
  set_bias(e, ctx, bias, rows, row_count);
  e.activated = act;
  multiply<OperandOf<T>, Activation::kGelu>(ctx, n, row_count, cols, LaneRows<T>{x, cols, nullptr},
                                            LaneRows<float>{w, cols, rows}, e);
}

template <class T>
void mlp_backward(OpContext& ctx, T* dpre, const T* dy, const T* pre, const float* w, const int32_t* rows, int64_t n,
                  int64_t row_count, int64_t cols, Master<T> alpha) {
  Epilogue<T> e{dpre, row_count};
  e.alpha = alpha;
  e.pre = pre;
  multiply<OperandOf<T>, Activation::kGeluSlope>(ctx, n, row_count, cols, LaneRows<T>{dy, cols, nullptr},
                                                 LaneRows<float>{w, cols, rows}, e);
}

template <class T>
void swiglu_forward(OpContext& ctx, T* act, T* gate, T* up, const T* x, const float* gate_w, const Master<T>* gate_bias,
                    const float* up_w, const Master<T>* up_bias, const int32_t* rows, int64_t n, int64_t row_count,
                    int64_t cols) {
  linear_expand<T>(ctx, gate, row_count, x, gate_w, gate_bias, rows, n, row_count, cols, 1);
  if (n <= kFewRows) {
    linear_expand<T>(ctx, up, row_count, x, up_w, up_bias, rows, n, row_count, cols, 1);
    for (int64_t i = 0; i < n * row_count; i += kWidth) {
      const int64_t left = n * row_count - i;
      const Vec g = load_first(gate + i, left);
      store_first(act + i, load_first(up + i, left) * g * sigmoid<T>(g), left);
    }
    return;
  }
  Epilogue<T> e{up, row_count};
  set_bias(e, ctx, up_bias, rows, row_count);
  e.pre = gate;
  e.activated = act;
  multiply<OperandOf<T>, Activation::kSwiglu>(ctx, n, row_count, cols, LaneRows<T>{x, cols, nullptr},
                                              LaneRows<float>{up_w, cols, rows}, e);
}

template <class T>
void swiglu_backward(OpContext& ctx, T* dgate, T* dup, const T* dy, const T* gate, const T* up, const float* w,
                     const int32_t* rows, int64_t n, int64_t row_count, int64_t cols, Master<T> alpha) {
  Epilogue<T> e{dgate, row_count};
  e.alpha = alpha;
  e.pre = gate;
  e.up = up;
  e.activated = dup;
  multiply<OperandOf<T>, Activation::kSwigluSlope>(ctx, n, row_count, cols, LaneRows<T>{dy, cols, nullptr},
                                                   LaneRows<float>{w, cols, rows}, e);
}

template SwigluForward<float, float> swiglu_forward<float>;
template SwigluForward<bfloat16, float> swiglu_forward<bfloat16>;
template SwigluBackward<float, float> swiglu_backward<float>;
template SwigluBackward<bfloat16, float> swiglu_backward<bfloat16>;
template MlpForward<float, float> mlp_forward<float>;
template MlpForward<bfloat16, float> mlp_forward<bfloat16>;
template MlpBackward<float, float> mlp_backward<float>;
template MlpBackward<bfloat16, float> mlp_backward<bfloat16>;

}  // namespace burgeon::BURGEON_ISA
