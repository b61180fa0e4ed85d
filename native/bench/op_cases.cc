#include "bench/op_cases.h"

#include <algorithm>
#include <type_traits>

#include "core/bfloat16.h"
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
const Dimension kPast{"past", &OpShape::past, kMost};
const Dimension kHeads{"heads", &OpShape::heads, 1024};
const Dimension kKvHeads{"kvHeads", &OpShape::kv_heads, 1024};
const Dimension kHeadSize{"headSize", &OpShape::head_size, 65'536};

// Multiply-adds of one repetition: some twenty seconds on one slow core.
constexpr double kMostWork = 2e12;

double multiply_adds(Op op, const OpShape& s) {
  const double n = static_cast<double>(s.n);
  const double width = static_cast<double>(s.heads) * static_cast<double>(s.head_size);
  const double triangle = n * width * (static_cast<double>(s.sequence) + 1) / 2;
  switch (op) {
    case Op::kExpand:
    case Op::kContract:
    case Op::kInputGradient:
    case Op::kWeightGradient:
    case Op::kMlpForward:
    case Op::kMlpBackward:
    case Op::kSwigluBackward:
      return n * static_cast<double>(s.active_rows) * static_cast<double>(s.cols);
    case Op::kSwigluForward:
      return 2 * n * static_cast<double>(s.active_rows) * static_cast<double>(s.cols);
    case Op::kHeadForward:
    case Op::kHeadLoss:
    case Op::kHeadInputGradient:
    case Op::kHeadWeightGradient:
      return n * static_cast<double>(s.rows) * static_cast<double>(s.cols);
    case Op::kAttentionForward:
      return 2 * triangle;
    case Op::kAttentionBackward:
      return 4 * triangle;
    case Op::kAttentionCached:
      return 2 * triangle + 2 * n * width * static_cast<double>(s.past);
    case Op::kMuon: {
      const double shorter = static_cast<double>(std::min(s.active_rows, s.cols));
      const double longer = static_cast<double>(std::max(s.active_rows, s.cols));
      return kNewtonSchulzSteps * shorter * shorter * (2 * longer + shorter);  // at most
    }
    default:
      return 0;
  }
}

bool is_product(Op op) {
  switch (op) {
    case Op::kExpand:
    case Op::kContract:
    case Op::kInputGradient:
    case Op::kWeightGradient:
    case Op::kMlpForward:
    case Op::kMlpBackward:
    case Op::kSwigluForward:
    case Op::kSwigluBackward:
      return true;
    default:
      return false;
  }
}

[[noreturn]] void fail(const OpEntry& entry, const std::string& message) {
  throw Error(ErrorCode::kShape, std::string(entry.name) + ": " + message);
}

}  // namespace

const std::vector<OpEntry>& op_entries() {
  static const std::vector<Dimension> product{kN, kRows, kActiveRows, kBlockRows, kCols};
  static const std::vector<Dimension> attention{kN, kSequence, kHeads, kKvHeads, kHeadSize};
  static const std::vector<Dimension> cached{kN, kSequence, kPast, kHeads, kKvHeads, kHeadSize};
  static const std::vector<Dimension> head{kN, kRows, kCols};
  static const std::vector<Dimension> per_token{kN, kCols};
  static const std::vector<Dimension> embedding{kN, kSequence, kRows, kCols};
  static const std::vector<Dimension> matrix{kRows, kActiveRows, kBlockRows, kCols};
  static const std::vector<Dimension> vector{kRows, kActiveRows, kBlockRows};
  static const std::vector<OpEntry> entries{
      {"expand", Op::kExpand, product},
      {"contract", Op::kContract, product},
      {"input_gradient", Op::kInputGradient, product},
      {"weight_gradient", Op::kWeightGradient, product},
      {"mlp_forward", Op::kMlpForward, product},
      {"mlp_backward", Op::kMlpBackward, product},
      {"swiglu_forward", Op::kSwigluForward, product},
      {"swiglu_backward", Op::kSwigluBackward, product},
      {"rotary", Op::kRotary, attention},
      {"attention_forward", Op::kAttentionForward, attention},
      {"attention_backward", Op::kAttentionBackward, attention},
      {"cache_append", Op::kCacheAppend, cached},
      {"attention_cached", Op::kAttentionCached, cached},
      {"head_forward", Op::kHeadForward, head},
      {"cross_entropy", Op::kCrossEntropy, per_token},
      {"head_loss", Op::kHeadLoss, head},
      {"head_input_gradient", Op::kHeadInputGradient, head},
      {"head_weight_gradient", Op::kHeadWeightGradient, head},
      {"norm_forward", Op::kNormForward, per_token},
      {"norm_backward", Op::kNormBackward, per_token},
      {"embedding_forward", Op::kEmbeddingForward, embedding},
      {"embedding_backward", Op::kEmbeddingBackward, embedding},
      {"gather", Op::kGather, matrix},
      {"gather_vector", Op::kGatherVector, vector},
      {"scatter_add", Op::kScatterAdd, matrix},
      {"adamw", Op::kAdamW, matrix},
      {"muon", Op::kMuon, matrix},
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
  if (s.heads % s.kv_heads != 0) {
    fail(entry, "kvHeads: expected a divisor of heads (" + text(s.heads) + "), received " + text(s.kv_heads));
  }
  if (entry.op == Op::kRotary && s.head_size % 2 != 0) {
    fail(entry, "headSize: expected an even number, received " + text(s.head_size));
  }
  const double work = multiply_adds(entry.op, s);
  if (work > kMostWork) {
    fail(entry, "expected at most 2 * 10^12 multiply-adds per repetition, received " +
                    text(static_cast<int64_t>(work / 1e9)) + " * 10^9; use a smaller shape");
  }
}

bool OpShape::operator==(const OpShape& other) const {
  return n == other.n && rows == other.rows && active_rows == other.active_rows && block_rows == other.block_rows &&
         cols == other.cols && sequence == other.sequence && past == other.past && heads == other.heads &&
         kv_heads == other.kv_heads && head_size == other.head_size && logit_stride == other.logit_stride &&
         padded_vocab == other.padded_vocab;
}

OpShape reduced(Op op, const OpShape& s, Sizes sizes) {
  const bool odd = sizes == Sizes::kOdd;
  OpShape small = s;
  small.block_rows = 1;
  small.rows = std::min<int64_t>(s.rows, odd ? 263 : 264);
  small.active_rows = std::max<int64_t>(1, small.rows * s.active_rows / s.rows);
  if (!odd) small.active_rows = std::min(small.rows, (small.active_rows + 7) / 8 * 8);
  small.cols = op == Op::kCrossEntropy ? std::min<int64_t>(s.cols, odd ? 1013 : 1016)
                                       : std::min<int64_t>(s.cols, odd ? 421 : 424);
  small.sequence = std::min<int64_t>(s.sequence, 53);
  small.past = std::min<int64_t>(s.past, 43);
  const bool has_sequences = s.sequence > 1;
  const int64_t sequences = std::min<int64_t>(s.n / s.sequence, has_sequences ? 3 : 101);
  small.n = sequences * small.sequence;
  const int64_t shared_by = s.heads / s.kv_heads;
  small.kv_heads = std::min<int64_t>(s.kv_heads, shared_by > 1 ? 2 : 3);
  small.heads = small.kv_heads * std::min<int64_t>(shared_by, 2);
  small.head_size = std::min<int64_t>(s.head_size, odd ? 67 : 128);
  if (op == Op::kRotary) small.head_size -= small.head_size % 2;
  return small;
}

std::vector<int32_t> spread_rows(Op op, const OpShape& s, bool compact) {
  std::vector<int32_t> rows;
  if (s.active_rows == s.rows || (compact && is_product(op))) return rows;
  const int64_t blocks = s.rows / s.block_rows;
  const int64_t active = s.active_rows / s.block_rows;
  rows.reserve(static_cast<size_t>(s.active_rows));
  for (int64_t j = 0; j < active; ++j) {
    const int64_t first = j * blocks / active * s.block_rows;
    for (int64_t i = 0; i < s.block_rows; ++i) rows.push_back(static_cast<int32_t>(first + i));
  }
  return rows;
}

}  // namespace burgeon::bench
