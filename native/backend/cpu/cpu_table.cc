// The table of fast CPU ops of one instruction set; compiled once per instruction set like the ops themselves.
#include "backend/backend.h"
#include "backend/cpu/product.h"

namespace burgeon::BURGEON_ISA {

EmbeddingForward<float> embedding_forward;
EmbeddingBackward<float> embedding_backward;
NormForward<float> norm_forward;
NormBackward<float> norm_backward;
template <class Operand>
LinearExpand<float> linear_expand;
template <class Operand>
LinearContract<float> linear_contract;
template <class Operand>
LinearWeightGradient<float> linear_weight_gradient;
LinearBiasGradient<float> linear_bias_gradient;
Rotary<float> rotary;
template <class Operand>
AttentionForward<float> attention_forward;
template <class Operand>
AttentionBackward<float> attention_backward;
CacheAppend<float> cache_append;
AttentionCached<float> attention_cached;
template <class Operand>
MlpForward<float> mlp_forward;
template <class Operand>
MlpBackward<float> mlp_backward;
template <class Operand>
SwigluForward<float> swiglu_forward;
template <class Operand>
SwigluBackward<float> swiglu_backward;
CrossEntropy<float> cross_entropy;
AdamW<float> adamw;
SumOfSquares<float> sum_of_squares;
template <class Operand>
int64_t multiply_burst(float* data, int64_t rounds);

size_t norm_scratch_bytes(int64_t width);
size_t global_norm_scratch_bytes();
template <class Operand>
size_t attention_thread_scratch_bytes(int64_t sequence, int64_t head_size);

namespace {

// Ops run one after another, so the shared scratch is as large as its hungriest user.
template <class Operand>
ScratchSize scratch_size(const ScratchShape& shape) {
  size_t shared = product_scratch_bytes(shape.wide);
  if (norm_scratch_bytes(shape.width) > shared) shared = norm_scratch_bytes(shape.width);
  if (global_norm_scratch_bytes() > shared) shared = global_norm_scratch_bytes();
  return {shared, attention_thread_scratch_bytes<Operand>(shape.sequence_length, shape.head_size)};
}

#define BURGEON_TEXT(x) #x
#define BURGEON_NAME(x) BURGEON_TEXT(x)

template <class Operand>
const Ops<float>& table_for() {
  static constexpr Ops<float> ops = {
      BURGEON_NAME(BURGEON_ISA),
      false,
      1,
      int64_t{128} << 20,
      scratch_size<Operand>,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      embedding_forward,
      embedding_backward,
      norm_forward,
      norm_backward,
      linear_expand<Operand>,
      linear_contract<Operand>,
      linear_weight_gradient<Operand>,
      linear_bias_gradient,
      rotary,
      attention_forward<Operand>,
      attention_backward<Operand>,
      cache_append,
      attention_cached,
      mlp_forward<Operand>,
      mlp_backward<Operand>,
      swiglu_forward<Operand>,
      swiglu_backward<Operand>,
      cross_entropy,
      adamw,
      sum_of_squares,
      multiply_burst<Operand>,
  };
  return ops;
}

}  // namespace

const Ops<float>& table(bool bfloat16) { return bfloat16 ? table_for<Bfloat16>() : table_for<Float32>(); }

}  // namespace burgeon::BURGEON_ISA
