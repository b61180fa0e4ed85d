// The operands of every op that is measured, and the bytes it must move.
#include <algorithm>

#include "bench/op_cases.h"

namespace burgeon::bench {

namespace {

// Activations up to 2, weights up to 1/16: sums over a model's width then have the size they have in training.
constexpr double x = 1.0 / 64;
constexpr double w = 1.0 / 2048;

Operand in(int64_t count, double scale, double offset = 0) { return {count, scale, offset}; }
Operand assigns(int64_t count) { return {count, 0, 0, true, true}; }
Operand adds(int64_t count, double scale) { return {count, scale, 0, true}; }
Operand changes(int64_t count, double scale, double offset = 0) { return {count, scale, offset, true, false, true}; }
Operand master(Operand operand) {
  operand.element = Element::kMaster;
  return operand;
}
Operand weight(Operand operand) {
  operand.element = Element::kWeight;
  return operand;
}

// What a repetition must at least move, in numbers.
struct Cost {
  int64_t activations = 0;
  int64_t weights = 0;  // and numbers of the residual stream
  int64_t words = 0;    // masters and 32-bit integers
};

using Operands = std::vector<Operand>;

// `all`: rows of the weight that are there; where not all are active, those that are come in a list.
void plan_product(Op op, const OpShape& s, int64_t all, Operands& operands, Cost& cost) {
  const int64_t n = s.n, a = s.active_rows, C = s.cols;
  const int64_t list = a < all ? a : 0;
  switch (op) {
    case Op::kExpand:
      operands = {assigns(n * a), in(n * C, x), weight(in(all * C, w)), master(in(all, x))};
      cost.activations = n * a + n * C;
      cost.weights = a * C;
      cost.words = a + list;
      break;
    case Op::kContract:
      operands = {weight(assigns(n * C)), in(n * a, x), weight(in(all * C, w)), master(in(C, x)), weight(in(n * C, x))};
      cost.activations = n * a;
      cost.weights = n * C + a * C + n * C;
      cost.words = C + list;
      break;
    case Op::kInputGradient:
      operands = {weight(assigns(n * C)), in(n * a, x), weight(in(all * C, w))};
      cost.activations = n * a;
      cost.weights = n * C + a * C;
      cost.words = list;
      break;
    case Op::kWeightGradient:
      operands = {master(adds(all * C, x)), master(adds(all, x)), in(n * a, x), in(n * C, x)};
      cost.activations = n * a + n * C;
      cost.words = 2 * a * C + 2 * a + list;
      break;
    case Op::kMlpForward:
      operands = {assigns(n * a), assigns(n * a), in(n * C, x), weight(in(all * C, w)), master(in(all, x))};
      cost.activations = 2 * n * a + n * C;
      cost.weights = a * C;
      cost.words = a + list;
      break;
    case Op::kMlpBackward:
      operands = {assigns(n * a), in(n * C, x), in(n * a, x), weight(in(all * C, w))};
      cost.activations = n * a + n * C + n * a;
      cost.weights = a * C;
      cost.words = list;
      break;
    case Op::kSwigluForward:
      operands = {assigns(n * a),         assigns(n * a),     assigns(n * a),         in(n * C, x),
                  weight(in(all * C, w)), master(in(all, x)), weight(in(all * C, w)), master(in(all, x))};
      cost.activations = 3 * n * a + n * C;
      cost.weights = 2 * a * C;
      cost.words = 2 * a + list;
      break;
    case Op::kSwigluBackward:
      operands = {assigns(n * a), assigns(n * a), in(n * C, x), in(n * a, x), in(n * a, x), weight(in(all * C, w))};
      cost.activations = 4 * n * a + n * C;
      cost.weights = a * C;
      cost.words = list;
      break;
    default:
      break;
  }
}

void plan_attention(Op op, const OpShape& s, Operands& operands, Cost& cost) {
  const int64_t n = s.n;
  const int64_t width = s.heads * s.head_size;
  const int64_t qkv = (s.heads + 2 * s.kv_heads) * s.head_size;
  const int64_t cached = n / s.sequence * s.kv_heads * (s.past + s.sequence) * s.head_size;
  const int64_t lse = n * s.heads;
  switch (op) {
    case Op::kRotary:
      operands = {changes(n * qkv, x), master(in(s.sequence * s.head_size, x / 2))};
      cost.activations = 2 * n * (s.heads + s.kv_heads) * s.head_size;
      cost.words = s.sequence * s.head_size;
      break;
    case Op::kAttentionForward:
      operands = {assigns(n * width), master(assigns(lse)), in(n * qkv, x / 2)};
      cost.activations = n * width + n * qkv;
      cost.words = lse;
      break;
    case Op::kAttentionBackward:
      // Log-sum-exps above every score, as real ones are.
      operands = {assigns(n * qkv), in(n * width, x), in(n * qkv, x / 2), in(n * width, x), master(in(lse, x / 2, 8))};
      cost.activations = n * qkv + n * width + n * qkv + n * width;
      cost.words = lse;
      break;
    case Op::kCacheAppend:
      operands = {adds(cached, x), adds(cached, x), in(n * qkv, x)};
      cost.activations = 4 * n * s.kv_heads * s.head_size;
      break;
    case Op::kAttentionCached:
      operands = {assigns(n * width), in(n * qkv, x / 2), in(cached, x / 2), in(cached, x / 2)};
      cost.activations = 2 * n * width + 2 * cached;
      break;
    default:
      break;
  }
}

// Ops on a block of logits. What pads their rows is read as it is and need not be written.
void plan_logits(Op op, const OpShape& s, Operands& operands, Cost& cost) {
  const int64_t n = s.n, V = s.rows, C = s.cols, logits = s.n * s.logit_stride;
  switch (op) {
    case Op::kHeadForward:
      operands = {adds(logits, x), in(n * C, x), weight(in(s.padded_vocab * C, w))};
      cost.activations = n * V + n * C;
      cost.weights = V * C;
      break;
    case Op::kHeadInputGradient:
      operands = {weight(assigns(n * C)), in(logits, x), weight(in(s.padded_vocab * C, w))};
      cost.activations = n * V;
      cost.weights = n * C + V * C;
      break;
    case Op::kHeadWeightGradient:
      operands = {master(adds(V * C, x)), in(logits, x), in(n * C, x)};
      cost.activations = n * V + n * C;
      cost.words = 2 * V * C;
      break;
    case Op::kHeadLoss:
      // Behind the losses, what they leave and work in.
      operands = {master(assigns(n)), in(logits, 0), master(in(n, 0)), in(n * C, x), weight(in(s.padded_vocab * C, w)),
                  in(n * C, 0)};
      cost.activations = n * V + n * C;
      cost.weights = V * C;
      cost.words = n + n;
      break;
    case Op::kCrossEntropy:
      operands = {master(assigns(n)), changes(logits, x)};
      cost.activations = 2 * n * C;
      cost.words = n + n;
      break;
    default:
      break;
  }
}

// Ops on whole rows of tokens. `rounds`: products do not read the residual stream itself.
void plan_tokens(Op op, const OpShape& s, bool rounds, Operands& operands, Cost& cost) {
  const int64_t n = s.n, all = s.rows, C = s.cols;
  switch (op) {
    case Op::kNormForward:
      operands = {assigns(n * C),       master(assigns(n)),       master(assigns(n)),
                  weight(in(n * C, x)), master(in(C, x / 16, 1)), master(in(C, x / 16))};
      cost.activations = n * C;
      cost.weights = n * C;
      cost.words = 2 * n + 2 * C;
      break;
    case Op::kNormBackward:
      operands = {weight(adds(n * C, x)),   master(adds(C, x)),   master(adds(C, x)),    master(adds(C, x)),
                  weight(in(n * C, x)),     weight(in(n * C, x)), master(in(n, x / 16)), master(in(n, x / 16, 1)),
                  master(in(C, x / 16, 1)), in(n * C, 0)};
      // The last is the gradient as products read it, where they do not read the first.
      cost.weights = 2 * n * C + 2 * n * C;
      if (rounds) cost.activations = n * C;
      cost.words = 6 * C + 2 * n + C;
      break;
    case Op::kEmbeddingForward:
      operands = {weight(assigns(n * C)), master(in(all * C, w)), master(in(s.sequence * C, w))};
      cost.weights = n * C;
      cost.words = n * C + s.sequence * C + n;
      break;
    case Op::kEmbeddingBackward:
      operands = {master(adds(all * C, x)), master(adds(s.sequence * C, x)), weight(in(n * C, x))};
      cost.weights = n * C;
      cost.words = 2 * n * C + 2 * s.sequence * C + n;
      break;
    default:
      break;
  }
}

// Ops on active rows of parameters.
void plan_rows(Op op, const OpShape& s, Operands& operands, Cost& cost) {
  const int64_t a = s.active_rows, all = s.rows, C = s.cols;
  const int64_t list = a < all ? a : 0;
  switch (op) {
    case Op::kGather:
      operands = {weight(assigns(a * C)), master(in(all * C, w))};
      cost.weights = a * C;
      cost.words = a * C + list;
      break;
    case Op::kGatherVector:
      operands = {master(assigns(a)), master(in(all, w))};
      cost.words = 2 * a + list;
      break;
    case Op::kScatterAdd:
      operands = {master(adds(all * C, x)), master(in(a * C, x))};
      cost.words = 3 * a * C + list;
      break;
    case Op::kAdamW:
      // A second moment is not negative. The gradient is cleared, so without a new one the moments would fade away.
      operands = {master(adds(all * C, w)), master(changes(all * C, x)), master(adds(all * C, x)),
                  master(Operand{all * C, x, 2.5, true})};
      cost.words = 8 * a * C + list;
      break;
    case Op::kMuon: {
      // The last is what it works in.
      const int64_t shorter = std::min(a, C);
      operands = {master(adds(all * C, w)), master(changes(all * C, x)), master(adds(all * C, x)),
                  master(in(2 * (a * C + shorter * shorter), 0))};
      cost.words = 6 * a * C + list;
      break;
    }
    case Op::kSumOfSquares:
      operands = {assigns(1), master(in(all * C, x))};
      operands[0].element = Element::kDouble;
      cost.words = a * C + list;
      break;
    default:
      break;
  }
}

}  // namespace

OpPlan plan_op(Op op, const OpShape& s, bool compact, int64_t activation_bytes, int64_t weight_bytes) {
  const int64_t qkv = (s.heads + 2 * s.kv_heads) * s.head_size;
  OpPlan plan;
  Cost cost;
  plan.scratch = {s.n,         s.sequence,
                  s.cols,      std::max({s.cols, s.active_rows, qkv}),
                  s.head_size, op == Op::kCrossEntropy ? s.cols : s.rows};
  switch (op) {
    case Op::kExpand:
    case Op::kContract:
    case Op::kInputGradient:
    case Op::kWeightGradient:
    case Op::kMlpForward:
    case Op::kMlpBackward:
    case Op::kSwigluForward:
    case Op::kSwigluBackward:
      plan_product(op, s, compact ? s.active_rows : s.rows, plan.operands, cost);
      break;
    case Op::kRotary:
    case Op::kAttentionForward:
    case Op::kAttentionBackward:
    case Op::kCacheAppend:
    case Op::kAttentionCached:
      plan_attention(op, s, plan.operands, cost);
      break;
    case Op::kHeadForward:
    case Op::kCrossEntropy:
    case Op::kHeadLoss:
    case Op::kHeadInputGradient:
    case Op::kHeadWeightGradient:
      plan_logits(op, s, plan.operands, cost);
      break;
    case Op::kNormForward:
    case Op::kNormBackward:
    case Op::kEmbeddingForward:
    case Op::kEmbeddingBackward:
      plan_tokens(op, s, activation_bytes != weight_bytes, plan.operands, cost);
      break;
    case Op::kGather:
    case Op::kGatherVector:
    case Op::kScatterAdd:
    case Op::kAdamW:
    case Op::kMuon:
    case Op::kSumOfSquares:
      plan_rows(op, s, plan.operands, cost);
      break;
  }
  plan.bytes = activation_bytes * cost.activations + weight_bytes * cost.weights + 4 * cost.words;
  return plan;
}

}  // namespace burgeon::bench
