// The table of fast CPU ops of one instruction set; compiled once per instruction set like the ops themselves.
#include "backend/backend.h"
#include "backend/cpu/product.h"

namespace burgeon::BURGEON_ISA {

EmbeddingForward<float> embedding_forward;
EmbeddingBackward<float> embedding_backward;
template <class T>
NormForward<T, float> norm_forward;
template <class T>
NormBackward<T, float> norm_backward;
template <class T>
LinearExpand<T, float> linear_expand;
template <class T>
LinearContract<T, float> linear_contract;
template <class T>
LinearWeightGradient<T> linear_weight_gradient;
template <class T>
LinearBiasGradient<T> linear_bias_gradient;
template <class T>
Rotary<T> rotary;
template <class T>
AttentionForward<T> attention_forward;
template <class T>
AttentionBackward<T> attention_backward;
template <class T>
CacheAppend<T> cache_append;
template <class T>
AttentionCached<T> attention_cached;
template <class T>
MlpForward<T, float> mlp_forward;
template <class T>
MlpBackward<T, float> mlp_backward;
template <class T>
SwigluForward<T, float> swiglu_forward;
template <class T>
SwigluBackward<T, float> swiglu_backward;
template <class T>
CrossEntropy<T> cross_entropy;
AdamW<float> adamw;
SumOfSquares<float> sum_of_squares;
template <class Operand>
int64_t multiply_burst(float* data, int64_t rounds);

size_t norm_scratch_bytes(int64_t width);
size_t global_norm_scratch_bytes();
template <class T>
size_t attention_thread_scratch_bytes(int64_t sequence, int64_t head_size);

namespace {

// Ops run one after another, so scratch is as large as its hungriest user needs.
template <class T>
ScratchSize scratch_size(const ScratchShape& shape) {
  ScratchSize size = product_scratch<T>(shape.wide, shape.width);
  const auto include = [](size_t& bytes, size_t others) { bytes = bytes > others ? bytes : others; };
  include(size.shared, norm_scratch_bytes(shape.width));
  include(size.shared, global_norm_scratch_bytes());
  include(size.per_thread, attention_thread_scratch_bytes<T>(shape.sequence_length, shape.head_size));
  return size;
}

#define BURGEON_TEXT(x) #x
#define BURGEON_NAME(x) BURGEON_TEXT(x)

}  // namespace

template <class T>
const Ops<T, float>& table() {
  static constexpr Ops<T, float> ops = {
      BURGEON_NAME(BURGEON_ISA),
      false,
      1,
      int64_t{128} << 20,
      scratch_size<T>,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      embedding_forward,
      embedding_backward,
      norm_forward<T>,
      norm_backward<T>,
      linear_expand<T>,
      linear_contract<T>,
      linear_weight_gradient<T>,
      linear_bias_gradient<T>,
      rotary<T>,
      attention_forward<T>,
      attention_backward<T>,
      cache_append<T>,
      attention_cached<T>,
      mlp_forward<T>,
      mlp_backward<T>,
      swiglu_forward<T>,
      swiglu_backward<T>,
      cross_entropy<T>,
      adamw,
      sum_of_squares,
      multiply_burst<OperandOf<T>>,
  };
  return ops;
}

template const Ops<float>& table<float>();
template const Ops<bfloat16, float>& table<bfloat16>();

}  // namespace burgeon::BURGEON_ISA
