// The measurement of single ops: every op runs and is checked in both precisions, counts what its formula says, and
// refuses shapes that do not fit. No timing is looked at.
#include <cmath>
#include <set>
#include <string>

#include "bench/op_bench.h"
#include "test/check.h"

namespace burgeon::test {

namespace {

using bench::as_in_step;
using bench::bench_copy;
using bench::bench_op;
using bench::Op;
using bench::OpBenchOptions;
using bench::OpBenchResult;
using bench::OpShape;

OpShape small_shape() {
  OpShape shape;
  shape.n = 30;
  shape.rows = 40;
  shape.active_rows = 24;
  shape.block_rows = 4;
  shape.cols = 19;
  shape.sequence = 10;
  shape.heads = 3;
  shape.past = 7;
  shape.head_size = 8;
  return shape;
}

int64_t expected_multiply_adds(const std::string& op) {
  if (op == "attention_forward") return 2 * 3 * 3 * 8 * 55;  // 3 sequences, 3 heads of 8, 10 * 11 / 2 pairs
  if (op == "attention_backward") return 4 * 3 * 3 * 8 * 55;
  const std::set<std::string> heads{"head_forward", "head_loss", "head_input_gradient", "head_weight_gradient"};
  if (heads.count(op)) return 30 * 40 * 19;
  if (op == "attention_cached") return 2 * 3 * 3 * 8 * (55 + 10 * 7);
  if (op == "muon") return 5 * (19 * 19 * 24 + 19 * 19 * 19 + 19 * 19 * 24);  // of the 24 active rows
  const std::set<std::string> products{"expand",      "contract",     "input_gradient", "weight_gradient",
                                       "mlp_forward", "mlp_backward", "swiglu_backward"};
  return (products.count(op) + 2 * (op == "swiglu_forward")) * 30 * 24 * 19;
}

bool needs_gathered_weights(Op op) { return op == Op::kGather || op == Op::kGatherVector || op == Op::kScatterAdd; }

OpBenchOptions options_of(const std::string& op, const BackendOptions& backend, int64_t rounds, bool cold = false) {
  OpBenchOptions options;
  static_cast<BackendOptions&>(options) = backend;
  options.op = op;
  options.threads = 2;
  options.rounds = rounds;
  options.cold = cold;
  return options;
}

BackendOptions on_kernels(Precision precision) { return {"cuda", "", precision, BURGEON_CUDA_HOST_LIBRARY, 0}; }

}  // namespace

TEST(bench_runs_every_op_in_both_precisions) {
  for (const bench::OpEntry& entry : bench::op_entries()) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      for (const bool cold : {false, true}) {
        // Evicting a cache passes over a quarter of a GiB each time.
        if (cold && (precision == Precision::kFloat32 || std::string(entry.name) != "adamw")) continue;
        const Note note(std::string(entry.name) + (precision == Precision::kBfloat16 ? ", bf16" : ", float32"));
        if (needs_gathered_weights(entry.op)) continue;
        const OpBenchOptions options = options_of(entry.name, {"cpu", "", precision}, cold ? 1 : 3, cold);
        OpShape all = small_shape();
        all.active_rows = all.rows;
        const std::vector<OpBenchResult> results = bench_op(options, {small_shape(), all});
        CHECK(results.size() == 2);
        CHECK(results[0].ms.size() == static_cast<size_t>(options.rounds) && results[0].ms[0] >= 0);
        CHECK(results[0].copy_ms.size() == (cold ? results[0].ms.size() : 0));
        CHECK(results[0].error.largest <=
              (precision == Precision::kBfloat16 ? bench::kBfloat16Tolerance : bench::kTolerance));
        CHECK(results[0].multiply_adds == expected_multiply_adds(entry.name));
        CHECK(results[0].bytes > 0 && results[1].bytes >= results[0].bytes);
      }
    }
  }
}

TEST(bench_checks_every_op_on_gathered_weights_and_on_cuda_kernels) {
  OpShape shape = small_shape();
  shape.heads = 4;
  shape.kv_heads = 2;
  for (const bench::OpEntry& entry : bench::op_entries()) {
    const Note note(entry.name);
    const auto error_of = [&](const BackendOptions& backend) {
      return check_op(options_of(entry.name, backend, 1), shape);
    };
    CHECK(error_of({"reference-compact"}).norm < 1e-6);
    if (entry.op == Op::kMuon) continue;  // which CUDA devices do not have yet
    CHECK(error_of(on_kernels(Precision::kFloat32)).norm < 1e-6);
    CHECK(error_of(on_kernels(Precision::kBfloat16)).norm < 1e-2);
  }
}

TEST(bench_takes_logits_in_the_blocks_of_a_step) {
  const auto& ops = find_ops<bfloat16, bfloat16>(on_kernels(Precision::kBfloat16));
  OpShape shape = small_shape();
  shape.n = 65536;
  shape.rows = 50257;
  // 7 blocks, as 1 GiB has 10,672 rows of 50,304.
  const OpShape block = as_in_step(Op::kHeadForward, shape, ops);
  CHECK(block.n == 9363 && block.logit_stride == 50304 && block.padded_vocab == 50304 && block.rows == 50257);
  shape.cols = 50257;
  const OpShape loss = as_in_step(Op::kCrossEntropy, shape, ops);
  CHECK(loss.n == 9363 && loss.logit_stride == 50304 && loss.cols == 50257);
  CHECK(as_in_step(Op::kExpand, shape, ops) == shape);
  CHECK(bench_op(options_of("head_forward", {}, 1), {small_shape()})[0].n == 30);
}

TEST(bench_measures_cuda_kernels) {
  for (const bool cold : {false, true}) {
    const OpBenchOptions options = options_of("adamw", on_kernels(Precision::kBfloat16), 2, cold);
    const std::vector<OpBenchResult> results = bench_op(options, {small_shape()});
    CHECK(results[0].ms.size() == 2 && results[0].ms[0] > 0);
    CHECK(results[0].copy_ms.size() == (cold ? 2 : 0));
  }
  CHECK(bench_copy(on_kernels(Precision::kFloat32), 1, 4096, 3).size() == 3);
  CHECK(bench_copy({}, 2, int64_t{1} << 20, 2).size() == 2);
}

TEST(bench_names_what_a_device_lacks) {
  CHECK_ERROR(
      ErrorCode::kBackend,
      "op: expected one that this device has, gather is of devices whose products take gathered weights, such as cuda",
      bench_op(options_of("gather", {}, 1), {small_shape()}));
}

TEST(bench_spreads_active_rows_in_blocks) {
  const std::vector<int32_t> rows = spread_rows(Op::kExpand, small_shape(), false);
  const std::vector<int32_t> expected{0,  1,  2,  3,  4,  5,  6,  7,  12, 13, 14, 15,
                                      20, 21, 22, 23, 24, 25, 26, 27, 32, 33, 34, 35};
  CHECK(rows == expected);
  OpShape all = small_shape();
  all.active_rows = all.rows;
  CHECK(spread_rows(Op::kExpand, all, false).empty());
  // Gathered weights have no other rows; masters have.
  CHECK(spread_rows(Op::kExpand, small_shape(), true).empty());
  CHECK(spread_rows(Op::kAdamW, small_shape(), true) == expected);
}

TEST(bench_refuses_what_does_not_fit) {
  OpBenchOptions options = options_of("expand", {}, 1);
  options.threads = 1;
  const auto with = [](int64_t OpShape::*member, int64_t value) {
    OpShape shape = small_shape();
    shape.*member = value;
    return std::vector<OpShape>{shape};
  };
  CHECK_ERROR(ErrorCode::kShape, "expand: activeRows: expected at most the 40 rows, received 44",
              bench_op(options, with(&OpShape::active_rows, 44)));
  CHECK_ERROR(ErrorCode::kShape, "expand: blockRows: expected a divisor of rows (40) and activeRows (24), received 5",
              bench_op(options, with(&OpShape::block_rows, 5)));
  CHECK_ERROR(ErrorCode::kShape, "expand: cols: expected 1 to 16777216, received 0",
              bench_op(options, with(&OpShape::cols, 0)));
  OpShape large = small_shape();
  large.sequence = 1;
  large.n = large.cols = 1 << 20;
  CHECK_ERROR(
      ErrorCode::kShape,
      "expand: expected at most 2 * 10^12 multiply-adds per repetition, received 26388 * 10^9; use a smaller shape",
      bench_op(options, {large}));
  large.n = 1 << 24;
  large.cols = 1 << 11;
  std::string refused;
  try {
    bench_op(options, {large});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOutOfMemory);
    refused = error.what();
  }
  // How much depends on the scratch memory of the instruction set.
  CHECK(refused.find("MiB, more than the 8192 MiB allowed; use a smaller shape or fewer threads") != std::string::npos);
}

}  // namespace burgeon::test
