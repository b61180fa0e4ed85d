// A backend is a table of ops, the scratch memory they want and what they expect of their operands. The model calls
// through the table and never asks which backend it has.
//
// T is the type of activations, W that of weights as products read them and of the residual stream with its gradient;
// parameters, gradients, moments and statistics are Master<T>. All pointers are to memory of the backend's device
// (core/device.h).
#pragma once

#include "backend/op_list.h"
#include "core/op_context.h"
#include "ops/adamw/adamw.h"
#include "ops/attention/attention.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/cross_entropy/head_loss.h"
#include "ops/embedding/embedding.h"
#include "ops/gather/gather.h"
#include "ops/global_norm/global_norm.h"
#include "ops/linear/linear.h"
#include "ops/mlp/mlp.h"
#include "ops/muon/muon.h"
#include "ops/norm/norm.h"
#include "ops/rotary/rotary.h"

namespace burgeon {

template <class T, class W = T>
struct Ops {
  const char* name;
  // Products take dense operands only: active rows are gathered before a group of sequences, and gradients scattered
  // after it (model/operands.h). Row lists are then null, except for gather_rows, scatter_add, sum_of_squares,
  // adamw and muon.
  bool compact;
  // Buffers begin at a multiple of so many bytes, a multiple of 64.
  size_t alignment;
  // Products that take neurons or words of the vocabulary as rows of a matrix are fast where these are a multiple of so
  // many. The matrix is then followed by rows of zeros up to that, which take part: not 1 only where every matrix that
  // products read is a copy of its master.
  int64_t row_multiple;
  // Rows of logits are padded to a multiple of so many elements.
  int64_t logit_multiple;
  // Logits are computed in blocks of rows of at most so many bytes: enough rows that reading and adding the gradient of
  // the embedding once per block is small against the product, few enough that the block is small beside the model.
  int64_t logit_bytes;
  ScratchSize (*scratch_size)(const ScratchShape& shape);
  // How many integers to append to n tokens for embedding_backward, and what to write there; null where it needs none.
  // `counts` is room for vocab + 1 integers.
  int64_t (*token_order_words)(int64_t n);
  void (*order_tokens)(int32_t* order, const int32_t* tokens, int64_t n, int32_t* counts, int64_t vocab);
  // Whether head_loss is to be taken rather than a product and cross_entropy, for rows of so many elements: the same
  // device and shape get the same answer. Null where it never is.
  bool (*fuses_loss)(const OpContext& ctx, int64_t cols);
#define BURGEON_OP_MEMBER(name, Signature) Signature<T, W>* name;
  BURGEON_OPS(BURGEON_OP_MEMBER)  // those of BURGEON_COMPACT_OPS null unless compact, optional ones maybe
#undef BURGEON_OP_MEMBER
  // Does `rounds` products of the table's operand format on cached data (kBurstFloats of them, finite) and returns the
  // multiply-adds executed; null where there is nothing to measure.
  int64_t (*multiply_burst)(float* data, int64_t rounds);

  int64_t padded(int64_t rows) const { return (rows + row_multiple - 1) / row_multiple * row_multiple; }
  // Elements of a row of logits.
  int64_t logit_stride(int64_t vocab) const {
    return (padded(vocab) + logit_multiple - 1) / logit_multiple * logit_multiple;
  }
  // Rows of the blocks that the logits of n tokens are computed in. All have the same height: a low last one would cost
  // nearly as much as a high one.
  int64_t logit_rows(int64_t n, int64_t vocab) const {
    constexpr int64_t kLeast = 64;
    const int64_t fitting = logit_bytes / (logit_stride(vocab) * static_cast<int64_t>(sizeof(T)));
    const int64_t most = fitting > kLeast ? fitting : kLeast;
    const int64_t blocks = (n + most - 1) / most;
    return (n + blocks - 1) / blocks;
  }
};

constexpr int64_t kBurstFloats = 16384;

}  // namespace burgeon
