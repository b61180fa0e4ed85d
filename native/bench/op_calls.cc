#include "bench/op_cases.h"
#include "core/bfloat16.h"
#include "core/error.h"

namespace burgeon::bench {

namespace {

template <class Function>
Function* present(Function* function, Op op) {
  if (function) return function;
  std::string name;
  for (const OpEntry& entry : op_entries()) {
    if (entry.op == op) name = entry.name;
  }
  const char* const where =
      op == Op::kMuon ? "of the cpu" : "of devices whose products take gathered weights, such as cuda";
  throw Error(ErrorCode::kBackend, "op: expected one that this device has, " + name + " is " + where);
}

// The ops on a block of logits, as Step::loss calls them.
template <class T, class W>
void call_on_logits(Op op, const OpShape& s, const Ops<T, W>& ops, OpContext& ctx, const int32_t* targets,
                    void* const* data) {
  using M = Master<T>;
  const auto t = [&](int i) { return static_cast<T*>(data[i]); };
  const auto w = [&](int i) { return static_cast<W*>(data[i]); };
  const auto m = [&](int i) { return static_cast<M*>(data[i]); };
  const int64_t stride = s.logit_stride;
  const int64_t V = s.padded_vocab;
  switch (op) {
    case Op::kHeadForward:
      return ops.linear_expand(ctx, t(0), stride, t(1), w(2), nullptr, nullptr, s.n, V, s.cols, 1);
    case Op::kHeadLoss:
      if (ops.fuses_loss && ops.fuses_loss(ctx, s.cols)) {
        ops.head_loss(ctx, m(0), m(2), t(1), t(3), w(4), targets, s.n, s.rows, V, stride, s.cols, 1);
        // Once for what is multiplied with the gradient, once for what comes of it.
        ops.scale_rows(ctx, t(5), t(3), m(2), s.n, s.cols);
        return ops.scale_rows(ctx, t(5), t(5), m(2), s.n, s.cols);
      }
      ops.linear_expand(ctx, t(1), stride, t(3), w(4), nullptr, nullptr, s.n, V, s.cols, 1);
      return ops.cross_entropy(ctx, m(0), t(1), targets, s.n, s.rows, stride, 1);
    case Op::kHeadInputGradient:
      return ops.linear_contract(ctx, w(0), t(1), stride, w(2), nullptr, nullptr, nullptr, s.n, V, s.cols, 1, 0);
    case Op::kHeadWeightGradient:
      return ops.linear_weight_gradient(ctx, m(0), nullptr, t(1), stride, t(2), nullptr, s.n, s.rows, s.cols, 1, false);
    default:
      return ops.cross_entropy(ctx, m(0), t(1), targets, s.n, s.cols, stride, 1);
  }
}

// The ops on active rows of parameters.
template <class T, class W>
void call_on_rows(Op op, const OpShape& s, const Ops<T, W>& ops, OpContext& ctx, const int32_t* rows,
                  void* const* data) {
  using M = Master<T>;
  const auto w = [&](int i) { return static_cast<W*>(data[i]); };
  const auto m = [&](int i) { return static_cast<M*>(data[i]); };
  const int64_t a = s.active_rows;
  const int64_t C = s.cols;
  switch (op) {
    case Op::kGather: {
      const GatheredRows<W, M> part{w(0), m(1), rows, a, C};
      return present(ops.gather_matrix, op)(ctx, {&part, 1});
    }
    case Op::kGatherVector: {
      const GatheredRows<M, M> part{m(0), m(1), rows, a, 1};
      return present(ops.gather_vector, op)(ctx, {&part, 1});
    }
    case Op::kScatterAdd: {
      const ScatteredRows<M> part{m(0), m(1), rows, a, C};
      return present(ops.scatter_add, op)(ctx, {&part, 1});
    }
    case Op::kAdamW: {
      const AdamWRows<M> part{m(0), m(1), m(2), m(3), rows, a, C, true, false};
      return ops.adamw(ctx, {&part, 1}, {1e-3, 0.9, 0.95, 1e-8, 0.1, 0.5, 0.1, 0.05, false});
    }
    case Op::kMuon: {
      const MuonRows<M> part{m(0), m(1), m(2), rows, a, C, false};
      return present(ops.muon, op)(ctx, {&part, 1}, {2e-2, 0.95, 0.1, 0.5, false}, m(3));
    }
    default: {
      const SquaredRows<M> part{m(1), rows, a, C};
      return ops.sum_of_squares(ctx, static_cast<double*>(data[0]), {&part, 1});
    }
  }
}

}  // namespace

template <class T, class W>
void call_op(Op op, const OpShape& s, const Ops<T, W>& ops, OpContext& ctx, const OpLists& lists, void* const* data) {
  using M = Master<T>;
  const auto t = [&](int i) { return static_cast<T*>(data[i]); };
  const auto w = [&](int i) { return static_cast<W*>(data[i]); };
  const auto m = [&](int i) { return static_cast<M*>(data[i]); };
  const int64_t n = s.n;
  const int64_t a = s.active_rows;
  const int64_t C = s.cols;
  const int64_t batch = n / s.sequence;
  const int64_t stride = (s.heads + 2 * s.kv_heads) * s.head_size;
  const M ratio = static_cast<M>(static_cast<double>(s.rows) / static_cast<double>(a));
  switch (op) {
    case Op::kExpand:
      return ops.linear_expand(ctx, t(0), a, t(1), w(2), m(3), lists.rows, n, a, C, 1);
    case Op::kContract:
      return ops.linear_contract(ctx, w(0), t(1), a, w(2), m(3), w(4), lists.rows, n, a, C, ratio, 1);
    case Op::kInputGradient:
      return ops.linear_contract(ctx, w(0), t(1), a, w(2), nullptr, nullptr, lists.rows, n, a, C, 1, 0);
    case Op::kWeightGradient:
      return ops.linear_weight_gradient(ctx, m(0), m(1), t(2), a, t(3), lists.rows, n, a, C, ratio, false);
    case Op::kMlpForward:
      return ops.mlp_forward(ctx, t(0), t(1), t(2), w(3), m(4), lists.rows, n, a, C);
    case Op::kMlpBackward:
      return ops.mlp_backward(ctx, t(0), t(1), t(2), w(3), lists.rows, n, a, C, ratio);
    case Op::kSwigluForward:
      return ops.swiglu_forward(ctx, t(0), t(1), t(2), t(3), w(4), m(5), w(6), m(7), lists.rows, n, a, C);
    case Op::kSwigluBackward:
      return ops.swiglu_backward(ctx, t(0), t(1), t(2), t(3), t(4), w(5), lists.rows, n, a, C, ratio);
    case Op::kRotary:
      return ops.rotary(ctx, t(0), m(1), n, s.sequence, stride, s.heads + s.kv_heads, s.head_size, false);
    case Op::kAttentionForward:
      return ops.attention_forward(ctx, t(0), m(1), t(2), batch, s.sequence, s.heads, s.kv_heads, s.head_size);
    case Op::kAttentionBackward:
      return ops.attention_backward(ctx, t(0), t(1), t(2), t(3), m(4), batch, s.sequence, s.heads, s.kv_heads,
                                    s.head_size);
    case Op::kCacheAppend: {
      const KeyValueCache<T> cache{t(0), t(1), s.past + s.sequence, s.past};
      return ops.cache_append(ctx, cache, t(2), batch, s.sequence, s.heads, s.kv_heads, s.head_size);
    }
    case Op::kAttentionCached: {
      const KeyValueCache<T> cache{t(2), t(3), s.past + s.sequence, s.past + s.sequence};
      return ops.attention_cached(ctx, t(0), t(1), cache, batch, s.sequence, s.heads, s.kv_heads, s.head_size);
    }
    case Op::kHeadForward:
    case Op::kCrossEntropy:
    case Op::kHeadLoss:
    case Op::kHeadInputGradient:
    case Op::kHeadWeightGradient:
      return call_on_logits(op, s, ops, ctx, lists.tokens, data);
    case Op::kNormForward:
      return ops.norm_forward(ctx, t(0), m(1), m(2), w(3), m(4), m(5), n, C, static_cast<M>(1e-5));
    case Op::kNormBackward:
      return ops.norm_backward(ctx, w(0), std::is_same_v<T, W> ? nullptr : t(9), m(1), m(2), m(3), static_cast<M>(1.25),
                               w(4), w(5), m(6), m(7), m(8), n, C);
    case Op::kEmbeddingForward:
      return ops.embedding_forward(ctx, w(0), lists.tokens, m(1), m(2), batch, s.sequence, C);
    case Op::kEmbeddingBackward:
      return ops.embedding_backward(ctx, m(0), m(1), w(2), lists.tokens, batch, s.sequence, C);
    case Op::kGather:
    case Op::kGatherVector:
    case Op::kScatterAdd:
    case Op::kAdamW:
    case Op::kMuon:
    case Op::kSumOfSquares:
      return call_on_rows(op, s, ops, ctx, lists.rows, data);
  }
}

#define BURGEON_CALL_OP(T, W) \
  template void call_op(Op, const OpShape&, const Ops<T, W>&, OpContext&, const OpLists&, void* const*);
BURGEON_CALL_OP(float, float)
BURGEON_CALL_OP(double, double)
BURGEON_CALL_OP(bfloat16, bfloat16)
BURGEON_CALL_OP(bfloat16, float)
#undef BURGEON_CALL_OP

}  // namespace burgeon::bench
