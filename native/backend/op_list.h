// Every op once, as VISIT(name, Signature): the type of the op is Signature<T, W> (ops/<op>/<op>.h). From this list
// come the members of the table (backend.h), the reference's and the CPU's declarations and tables, what is timed, and
// the check that nothing is missing.
#pragma once

// Of devices whose products take gathered operands (Ops::compact).
#define BURGEON_COMPACT_OPS(VISIT)   \
  VISIT(gather_matrix, GatherMatrix) \
  VISIT(gather_vector, GatherVector) \
  VISIT(scatter_add, ScatterAdd)

// Of all.
#define BURGEON_COMMON_OPS(VISIT)                     \
  VISIT(embedding_forward, EmbeddingForward)          \
  VISIT(embedding_backward, EmbeddingBackward)        \
  VISIT(norm_forward, NormForward)                    \
  VISIT(norm_backward, NormBackward)                  \
  VISIT(linear_expand, LinearExpand)                  \
  VISIT(linear_contract, LinearContract)              \
  VISIT(linear_weight_gradient, LinearWeightGradient) \
  VISIT(rotary, Rotary)                               \
  VISIT(attention_forward, AttentionForward)          \
  VISIT(attention_backward, AttentionBackward)        \
  VISIT(cache_append, CacheAppend)                    \
  VISIT(attention_cached, AttentionCached)            \
  VISIT(mlp_forward, MlpForward)                      \
  VISIT(mlp_backward, MlpBackward)                    \
  VISIT(swiglu_forward, SwigluForward)                \
  VISIT(swiglu_backward, SwigluBackward)              \
  VISIT(cross_entropy, CrossEntropy)                  \
  VISIT(adamw, AdamW)                                 \
  VISIT(sum_of_squares, SumOfSquares)

// Of backends that have them: null elsewhere, and asked for by models that need them.
#define BURGEON_OPTIONAL_OPS(VISIT) VISIT(muon, Muon)

// Of backends that may make logits and their loss at once (Ops::fuses_loss).
#define BURGEON_FUSED_OPS(VISIT) \
  VISIT(head_loss, HeadLoss)     \
  VISIT(scale_rows, ScaleRows)

#define BURGEON_OPS(VISIT)    \
  BURGEON_COMPACT_OPS(VISIT)  \
  BURGEON_COMMON_OPS(VISIT)   \
  BURGEON_OPTIONAL_OPS(VISIT) \
  BURGEON_FUSED_OPS(VISIT)

// Puts the function template of that name into the table `ops`.
#define BURGEON_SET_OP(name, Signature) ops.name = name<T>;
