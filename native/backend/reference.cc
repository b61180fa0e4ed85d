#include "backend/reference.h"

namespace burgeon::ref {

template <class T>
GatherRows<T, T> gather_rows;
template <class T>
ScatterAdd<T> scatter_add;
template <class T>
EmbeddingForward<T> embedding_forward;
template <class T>
EmbeddingBackward<T> embedding_backward;
template <class T>
NormForward<T> norm_forward;
template <class T>
NormBackward<T> norm_backward;
template <class T>
LinearExpand<T> linear_expand;
template <class T>
LinearContract<T> linear_contract;
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
MlpForward<T> mlp_forward;
template <class T>
MlpBackward<T> mlp_backward;
template <class T>
SwigluForward<T> swiglu_forward;
template <class T>
SwigluBackward<T> swiglu_backward;
template <class T>
CrossEntropy<T> cross_entropy;
template <class T>
AdamW<T> adamw;
template <class T>
SumOfSquares<T> sum_of_squares;

namespace {

// Attention keeps one row of scores; nothing else needs scratch.
ScratchSize scratch_size(const ScratchShape& shape) {
  return {0, static_cast<size_t>(shape.sequence_length) * sizeof(double)};
}

template <class T, bool kCompact>
const Ops<T>& table_for() {
  static const Ops<T> ops = {
      "reference",
      kCompact,
      1,
      int64_t{128} << 20,
      scratch_size,
      nullptr,
      nullptr,
      gather_rows<T>,
      gather_rows<T>,
      scatter_add<T>,
      embedding_forward<T>,
      embedding_backward<T>,
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
      adamw<T>,
      sum_of_squares<T>,
      nullptr,
  };
  return ops;
}

}  // namespace

template <class T>
const Ops<T>& table(bool compact) {
  return compact ? table_for<T, true>() : table_for<T, false>();
}

template const Ops<float>& table<float>(bool);
template const Ops<double>& table<double>(bool);

}  // namespace burgeon::ref
