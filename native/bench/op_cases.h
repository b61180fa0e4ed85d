// The ops that can be checked and measured alone: their names, the dimensions they take, their operands, the bytes they
// must move, and the call itself, generic over the element type so that the double reference runs the same text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace burgeon::bench {

enum class Op {
  kExpand,
  kContract,
  kInputGradient,
  kWeightGradient,
  kMlpForward,
  kMlpBackward,
  kSwigluForward,
  kSwigluBackward,
  kRotary,
  kAttentionForward,
  kAttentionBackward,
  kCacheAppend,
  kAttentionCached,
  kHeadForward,
  kCrossEntropy,
  kHeadLoss,
  kHeadInputGradient,
  kHeadWeightGradient,
  kNormForward,
  kNormBackward,
  kEmbeddingForward,
  kEmbeddingBackward,
  kGather,
  kGatherVector,
  kScatterAdd,
  kAdamW,
  kMuon,
  kSumOfSquares,
};

// What an op does not take stays 1.
struct OpShape {
  int64_t n = 1;            // tokens; of the head, its loss and cross entropy: rows of a block of logits
  int64_t rows = 1;         // rows of the weight; of the embeddings: vocabulary
  int64_t active_rows = 1;  // of them, spread evenly; all of them take the dense path, without a list
  int64_t block_rows = 1;   // active rows come in runs of so many neighbours, as those of a head do
  int64_t cols = 1;         // of the weight: the model's width; of cross entropy: vocabulary
  int64_t sequence = 1;     // tokens per sequence; divides n
  int64_t past = 1;         // tokens of each sequence in the cache before
  int64_t heads = 1;        // active heads
  int64_t kv_heads = 1;     // heads of keys and values; divides heads
  int64_t head_size = 1;
  // Of rows of logits, as the backend wants them (as_in_step): their distance, and words that products take, some of
  // which are padding.
  int64_t logit_stride = 1;
  int64_t padded_vocab = 1;

  bool operator==(const OpShape& other) const;
};

// One dimension of a shape, by its name in JavaScript.
struct Dimension {
  const char* name;
  int64_t OpShape::*member;
  int64_t most;
};

struct OpEntry {
  const char* name;
  Op op;
  std::vector<Dimension> dimensions;
};

const std::vector<OpEntry>& op_entries();
// Throws Error(kConfig) listing the names there are.
const OpEntry& op_entry(const std::string& name);

// Throws Error(kShape) for dimensions that do not fit each other and for more work than a measurement should take.
void check_shape(const OpEntry& entry, const OpShape& shape);

// The shape of an op on logits as a step of the table has it, given that of a whole micro-batch: one block of rows, of
// the stride that the table wants. Other ops keep theirs.
template <class T, class W>
OpShape as_in_step(Op op, const OpShape& shape, const Ops<T, W>& ops) {
  const bool is_head =
      op == Op::kHeadForward || op == Op::kHeadLoss || op == Op::kHeadInputGradient || op == Op::kHeadWeightGradient;
  if (!is_head && op != Op::kCrossEntropy) return shape;
  const int64_t vocab = is_head ? shape.rows : shape.cols;
  OpShape block = shape;
  block.n = ops.logit_rows(shape.n, vocab);
  block.logit_stride = ops.logit_stride(vocab);
  block.padded_vocab = ops.padded(vocab);
  return block;
}

// The same op at sizes that the reference does in milliseconds; the share of active rows stays about the same.
// Dimensions are cut to odd numbers that fill no tile or block evenly, or to multiples of 8, which take the paths for
// rows of whole vectors.
enum class Sizes { kOdd, kVectors };
OpShape reduced(Op op, const OpShape& shape, Sizes sizes);

// What the numbers of an operand are, for a backend of T and W.
enum class Element {
  kActivation,  // T
  kWeight,      // W
  kMaster,      // Master<T>
  kDouble,
};

// `count` numbers k * scale + offset, k drawn from the integers in [-128, 128]. Without offset they are exact in
// bfloat16, so all precisions multiply the same numbers.
struct Operand {
  int64_t count;
  double scale;
  double offset = 0;
  bool output = false;
  bool assigned = false;  // an output whose first contents do not matter: it starts as NaN
  bool restored = false;  // changed by the op in a way that repetition would wear out: filled anew before each
  Element element = Element::kActivation;
};

struct OpPlan {
  std::vector<Operand> operands;
  int64_t bytes;  // active operands read and outputs written, once each; what is added to is read and written
  ScratchShape scratch;
};

// `compact` as in Ops: weights of products have their active rows only, and there is no list. Activations
// and weights have so many bytes each, everything else 4.
OpPlan plan_op(Op op, const OpShape& shape, bool compact, int64_t activation_bytes, int64_t weight_bytes);

// Lists in the device's memory: active rows, or null for all. `tokens` are below `rows` of the embeddings or `cols` of
// cross entropy, with their order behind them where the backend wants it.
struct OpLists {
  const int32_t* rows;
  const int32_t* tokens;
};

// Empty where all rows are active or the op is on compact weights.
std::vector<int32_t> spread_rows(Op op, const OpShape& shape, bool compact);

// `data` holds the operands of the plan in order. Instantiated for the types of all tables. Throws Error(kBackend)
// where the table has no such op.
template <class T, class W>
void call_op(Op op, const OpShape& shape, const Ops<T, W>& ops, OpContext& ctx, const OpLists& lists,
             void* const* data);

}  // namespace burgeon::bench
