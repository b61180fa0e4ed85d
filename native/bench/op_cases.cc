#include "bench/op_cases.h"

#include <algorithm>

#include "core/error.h"

namespace burgeon::bench {

namespace {

// Far beyond any model, and small enough that no product of dimensions below overflows 64 bits.
constexpr int64_t kMost = int64_t{1} << 24;
const Dimension kN{"n", &OpShape::n, kMost};
const Dimension kRows{"rows", &OpShape::rows, kMost};
const Dimension kActiveRows{"activeRows", &OpShape::active_rows, kMost};
const Dimension kBlockRows{"blockRows", &OpShape::block_rows, kMost};
const Dimension kCols{"cols", &OpShape::cols, kMost};
const Dimension kSequence{"sequence", &OpShape::sequence, kMost};
const Dimension kHeads{"heads", &OpShape::heads, 1024};
const Dimension kHeadSize{"headSize", &OpShape::head_size, 65'536};

// Multiply-adds of one repetition: some ten seconds on one slow core.
constexpr double kMostWork = 1e12;

double multiply_adds(Op op, const OpShape& s) {
  const double n = static_cast<double>(s.n);
  const double width = static_cast<double>(s.heads) * static_cast<double>(s.head_size);
  const double triangle = n * width * (static_cast<double>(s.sequence) + 1) / 2;
  switch (op) {
    case Op::kExpand:
    case Op::kContract:
    case Op::kWeightGradient:
    case Op::kMlpForward:
    case Op::kMlpBackward:
      return n * static_cast<double>(s.active_rows) * static_cast<double>(s.cols);
    case Op::kAttentionForward:
      return 2 * triangle;
    case Op::kAttentionBackward:
      return 4 * triangle;
    default:
      return 0;
  }
}

[[noreturn]] void fail(const OpEntry& entry, const std::string& message) {
  throw Error(ErrorCode::kShape, std::string(entry.name) + ": " + message);
}

}  // namespace

const std::vector<OpEntry>& op_entries() {
  static const std::vector<Dimension> product{kN, kRows, kActiveRows, kBlockRows, kCols};
  static const std::vector<Dimension> attention{kN, kSequence, kHeads, kHeadSize};
  static const std::vector<Dimension> per_token{kN, kCols};
  static const std::vector<Dimension> embedding{kN, kSequence, kRows, kCols};
  static const std::vector<Dimension> matrix{kRows, kActiveRows, kBlockRows, kCols};
  static const std::vector<OpEntry> entries{
      {"expand", Op::kExpand, product},
      {"contract", Op::kContract, product},
      {"weight_gradient", Op::kWeightGradient, product},
      {"mlp_forward", Op::kMlpForward, product},
      {"mlp_backward", Op::kMlpBackward, product},
      {"attention_forward", Op::kAttentionForward, attention},
      {"attention_backward", Op::kAttentionBackward, attention},
      {"cross_entropy", Op::kCrossEntropy, per_token},
      {"norm_forward", Op::kNormForward, per_token},
      {"norm_backward", Op::kNormBackward, per_token},
      {"embedding_forward", Op::kEmbeddingForward, embedding},
      {"embedding_backward", Op::kEmbeddingBackward, embedding},
      {"adamw", Op::kAdamW, matrix},
      {"sum_of_squares", Op::kSumOfSquares, matrix},
  };
  return entries;
}

const OpEntry& op_entry(const std::string& name) {
  std::string names;
  for (const OpEntry& entry : op_entries()) {
    if (name == entry.name) return entry;
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error(ErrorCode::kConfig, "op: expected one of " + names + ", received \"" + name + "\"");
}

void check_shape(const OpEntry& entry, const OpShape& s) {
  for (const Dimension& dimension : entry.dimensions) {
    const int64_t value = s.*dimension.member;
    if (value >= 1 && value <= dimension.most) continue;
    fail(entry, std::string(dimension.name) + ": expected 1 to " + std::to_string(dimension.most) + ", received " +
                    std::to_string(value));
  }
  const auto text = [](int64_t value) { return std::to_string(value); };
  if (s.active_rows > s.rows) {
    // Ops without active rows leave them 1.
    fail(entry, "activeRows: expected at most the " + text(s.rows) + " rows, received " + text(s.active_rows));
  }
  if (s.rows % s.block_rows != 0 || s.active_rows % s.block_rows != 0) {
    fail(entry, "blockRows: expected a divisor of rows (" + text(s.rows) + ") and activeRows (" + text(s.active_rows) +
                    "), received " + text(s.block_rows));
  }
  if (s.n % s.sequence != 0) {
    fail(entry, "sequence: expected a divisor of n (" + text(s.n) + "), received " + text(s.sequence));
  }
  const double work = multiply_adds(entry.op, s);
  if (work > kMostWork) {
    fail(entry, "expected at most 10^12 multiply-adds per repetition, received " +
                    text(static_cast<int64_t>(work / 1e9)) + " * 10^9; use a smaller shape");
  }
}

OpShape reduced(Op op, const OpShape& s) {
  OpShape small = s;
  small.block_rows = 1;
  small.rows = std::min<int64_t>(s.rows, 263);
  small.active_rows = std::max<int64_t>(1, small.rows * s.active_rows / s.rows);
  small.cols = std::min<int64_t>(s.cols, op == Op::kCrossEntropy ? 1013 : 421);
  small.sequence = std::min<int64_t>(s.sequence, 53);
  const bool has_sequences = s.sequence > 1;
  const int64_t sequences = std::min<int64_t>(s.n / s.sequence, has_sequences ? 3 : 101);
  small.n = sequences * small.sequence;
  small.heads = std::min<int64_t>(s.heads, 3);
  small.head_size = std::min<int64_t>(s.head_size, 67);
  return small;
}

OpPlan plan_op(Op op, const OpShape& s) {
  const int64_t n = s.n;
  const int64_t a = s.active_rows;
  const int64_t all = s.rows;
  const int64_t C = s.cols;
  const int64_t width = s.heads * s.head_size;
  const int64_t lse = n * s.heads;
  const int64_t list = a < all ? a : 0;
  // Activations up to 2, weights up to 1/16: sums over a model's width then have the size they have in training.
  constexpr double x = 1.0 / 64;
  constexpr double w = 1.0 / 2048;
  const auto in = [](int64_t count, double scale, double offset = 0) { return Operand{count, scale, offset}; };
  const auto assigns = [](int64_t count) { return Operand{count, 0, 0, true, true}; };
  const auto adds = [](int64_t count, double scale) { return Operand{count, scale, 0, true}; };
  const auto changes = [](int64_t count, double scale, double offset = 0) {
    return Operand{count, scale, offset, true, false, true};
  };
  OpPlan plan;
  plan.scratch = {n, s.sequence, C, std::max(C, a), s.head_size};
  int64_t moved = 0;  // floats and 32-bit integers
  switch (op) {
    case Op::kExpand:
      plan.operands = {assigns(n * a), in(n * C, x), in(all * C, w), in(all, x)};
      moved = n * a + n * C + a * C + a + list;
      break;
    case Op::kContract:
      plan.operands = {assigns(n * C), in(n * a, x), in(all * C, w), in(C, x), in(n * C, x)};
      moved = n * C + n * a + a * C + C + n * C + list;
      break;
    case Op::kWeightGradient:
      plan.operands = {adds(all * C, x), in(n * a, x), in(n * C, x)};
      moved = 2 * a * C + n * a + n * C + list;
      break;
    case Op::kMlpForward:
      plan.operands = {assigns(n * a), assigns(n * a), in(n * C, x), in(all * C, w), in(all, x)};
      moved = 2 * n * a + n * C + a * C + a + list;
      break;
    case Op::kMlpBackward:
      plan.operands = {assigns(n * a), in(n * C, x), in(n * a, x), in(all * C, w)};
      moved = n * a + n * C + n * a + a * C + list;
      break;
    case Op::kAttentionForward:
      plan.operands = {assigns(n * width), assigns(lse), in(3 * n * width, x / 2)};
      moved = n * width + lse + 3 * n * width;
      break;
    case Op::kAttentionBackward:
      // Log-sum-exps above every score, as real ones are.
      plan.operands = {assigns(3 * n * width), in(n * width, x), in(3 * n * width, x / 2), in(n * width, x),
                       in(lse, x / 2, 8)};
      moved = 3 * n * width + n * width + 3 * n * width + n * width + lse;
      break;
    case Op::kCrossEntropy:
      plan.operands = {assigns(n), changes(n * C, x)};
      moved = n + 2 * n * C + n;
      break;
    case Op::kNormForward:
      plan.operands = {assigns(n * C), assigns(n), assigns(n), in(n * C, x), in(C, x / 16, 1), in(C, x / 16)};
      moved = n * C + 2 * n + n * C + 2 * C;
      break;
    case Op::kNormBackward:
      plan.operands = {adds(n * C, x), adds(C, x),    adds(C, x),       in(n * C, x),
                       in(n * C, x),   in(n, x / 16), in(n, x / 16, 1), in(C, x / 16, 1)};
      moved = 2 * n * C + 4 * C + 2 * n * C + 2 * n + C;
      break;
    case Op::kEmbeddingForward:
      plan.operands = {assigns(n * C), in(all * C, w), in(s.sequence * C, w)};
      moved = n * C + n * C + s.sequence * C + n;
      break;
    case Op::kEmbeddingBackward:
      plan.operands = {adds(all * C, x), adds(s.sequence * C, x), in(n * C, x)};
      moved = 2 * n * C + 2 * s.sequence * C + n * C + n;
      break;
    case Op::kAdamW:
      // A second moment is not negative. The gradient is cleared, so without a new one the moments would fade away.
      plan.operands = {adds(all * C, w), changes(all * C, x), adds(all * C, x), Operand{all * C, x, 2.5, true}};
      moved = 8 * a * C + list;
      break;
    case Op::kSumOfSquares:
      plan.operands = {assigns(1), in(all * C, x)};
      moved = a * C + list;
      break;
  }
  plan.bytes = 4 * moved;
  return plan;
}

std::vector<int32_t> spread_rows(const OpShape& s) {
  std::vector<int32_t> rows;
  if (s.active_rows == s.rows) return rows;
  const int64_t blocks = s.rows / s.block_rows;
  const int64_t active = s.active_rows / s.block_rows;
  rows.reserve(static_cast<size_t>(s.active_rows));
  for (int64_t j = 0; j < active; ++j) {
    const int64_t first = j * blocks / active * s.block_rows;
    for (int64_t i = 0; i < s.block_rows; ++i) rows.push_back(static_cast<int32_t>(first + i));
  }
  return rows;
}

template <class T>
void call_op(Op op, const OpShape& s, const Ops<T>& ops, OpContext& ctx, const OpLists& lists, T* const* d) {
  const int64_t n = s.n;
  const int64_t a = s.active_rows;
  const int64_t C = s.cols;
  const int64_t batch = n / s.sequence;
  const T ratio = static_cast<T>(static_cast<double>(s.rows) / static_cast<double>(a));
  switch (op) {
    case Op::kExpand:
      return ops.linear_expand(ctx, d[0], a, d[1], d[2], d[3], lists.rows, n, a, C, 1);
    case Op::kContract:
      return ops.linear_contract(ctx, d[0], d[1], a, d[2], d[3], d[4], lists.rows, n, a, C, ratio, 1);
    case Op::kWeightGradient:
      return ops.linear_weight_gradient(ctx, d[0], d[1], a, d[2], lists.rows, n, a, C, ratio, false);
    case Op::kMlpForward:
      return ops.mlp_forward(ctx, d[0], d[1], d[2], d[3], d[4], lists.rows, n, a, C);
    case Op::kMlpBackward:
      return ops.mlp_backward(ctx, d[0], d[1], d[2], d[3], lists.rows, n, a, C, ratio);
    case Op::kAttentionForward:
      return ops.attention_forward(ctx, d[0], d[1], d[2], batch, s.sequence, s.heads, s.heads, s.head_size);
    case Op::kAttentionBackward:
      return ops.attention_backward(ctx, d[0], d[1], d[2], d[3], d[4], batch, s.sequence, s.heads, s.heads,
                                    s.head_size);
    case Op::kCrossEntropy:
      return ops.cross_entropy(ctx, d[0], d[1], lists.tokens, n, C, C, 1);
    case Op::kNormForward:
      return ops.norm_forward(ctx, d[0], d[1], d[2], d[3], d[4], d[5], n, C, static_cast<T>(1e-5));
    case Op::kNormBackward:
      return ops.norm_backward(ctx, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], n, C);
    case Op::kEmbeddingForward:
      return ops.embedding_forward(ctx, d[0], lists.tokens, d[1], d[2], batch, s.sequence, C);
    case Op::kEmbeddingBackward:
      return ops.embedding_backward(ctx, d[0], d[1], d[2], lists.tokens, batch, s.sequence, C);
    case Op::kAdamW: {
      const AdamWRows<T> part{d[0], d[1], d[2], d[3], lists.rows, a, C, true, false};
      return ops.adamw(ctx, {&part, 1}, {1e-3, 0.9, 0.95, 1e-8, 0.1, 0.5, 0.1, 0.05});
    }
    case Op::kSumOfSquares:
      double sum = 0;
      const SquaredRows<T> part{d[1], lists.rows, a, C};
      ops.sum_of_squares(ctx, &sum, {&part, 1});
      d[0][0] = static_cast<T>(sum);
  }
}

template void call_op<float>(Op, const OpShape&, const Ops<float>&, OpContext&, const OpLists&, float* const*);
template void call_op<double>(Op, const OpShape&, const Ops<double>&, OpContext&, const OpLists&, double* const*);

}  // namespace burgeon::bench
