// A backend is a table of ops and the scratch memory they want. The model calls through the table and never asks which
// backend it has.
#pragma once

#include "core/op_context.h"
#include "ops/adamw/adamw.h"
#include "ops/attention/attention.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/embedding/embedding.h"
#include "ops/global_norm/global_norm.h"
#include "ops/linear/linear.h"
#include "ops/mlp/mlp.h"
#include "ops/norm/norm.h"
#include "ops/rotary/rotary.h"

namespace burgeon {

template <class T>
struct Ops {
  const char* name;
  ScratchSize (*scratch_size)(const ScratchShape& shape);
  EmbeddingForward<T>* embedding_forward;
  EmbeddingBackward<T>* embedding_backward;
  NormForward<T>* norm_forward;
  NormBackward<T>* norm_backward;
  LinearExpand<T>* linear_expand;
  LinearContract<T>* linear_contract;
  LinearWeightGradient<T>* linear_weight_gradient;
  LinearBiasGradient<T>* linear_bias_gradient;
  Rotary<T>* rotary;
  AttentionForward<T>* attention_forward;
  AttentionBackward<T>* attention_backward;
  CacheAppend<T>* cache_append;
  AttentionCached<T>* attention_cached;
  MlpForward<T>* mlp_forward;
  MlpBackward<T>* mlp_backward;
  SwigluForward<T>* swiglu_forward;
  SwigluBackward<T>* swiglu_backward;
  CrossEntropy<T>* cross_entropy;
  AdamW<T>* adamw;
  SumOfSquares<T>* sum_of_squares;
  // Does `rounds` products of the table's operand format on cached data (kBurstFloats of them, finite) and returns the
  // multiply-adds executed; null where there is nothing to measure.
  int64_t (*multiply_burst)(T* data, int64_t rounds);
};

constexpr int64_t kBurstFloats = 8192;

}  // namespace burgeon
