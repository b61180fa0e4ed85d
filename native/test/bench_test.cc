// The measurement of single ops: every op runs and is checked in both precisions, counts what its formula says, and
// refuses shapes that do not fit. No timing is looked at.
#include <cmath>
#include <set>
#include <string>

#include "bench/op_bench.h"
#include "test/check.h"

namespace burgeon::test {

namespace {

using bench::bench_op;
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
  shape.head_size = 7;
  return shape;
}

int64_t expected_multiply_adds(const std::string& op) {
  if (op == "attention_forward") return 2 * 3 * 3 * 7 * 55;  // 3 sequences, 3 heads of 7, 10 * 11 / 2 pairs
  if (op == "attention_backward") return 4 * 3 * 3 * 7 * 55;
  const std::set<std::string> products{"expand", "contract", "weight_gradient", "mlp_forward", "mlp_backward"};
  return products.count(op) > 0 ? 30 * 24 * 19 : 0;
}

}  // namespace

TEST(bench_runs_every_op_in_both_precisions) {
  for (const bench::OpEntry& entry : bench::op_entries()) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      for (const bool cold : {false, true}) {
        // Evicting a cache passes over a quarter of a GiB each time.
        if (cold && (precision == Precision::kFloat32 || std::string(entry.name) != "adamw")) continue;
        const Note note(std::string(entry.name) + (precision == Precision::kBfloat16 ? ", bf16" : ", float32"));
        const OpBenchOptions options{entry.name, precision, "", 2, cold ? 1 : 3, cold};
        OpShape all = small_shape();
        all.active_rows = all.rows;
        const std::vector<OpBenchResult> results = bench_op(options, {small_shape(), all});
        CHECK(results.size() == 2);
        CHECK(results[0].ms.size() == static_cast<size_t>(options.rounds) && results[0].ms[0] >= 0);
        CHECK(results[0].copy_ms.size() == (cold ? results[0].ms.size() : 0));
        CHECK(results[0].error <= bench::kTolerance);
        CHECK(results[0].multiply_adds == expected_multiply_adds(entry.name));
        CHECK(results[0].bytes > 0 && results[1].bytes >= results[0].bytes);
      }
    }
  }
}

TEST(bench_spreads_active_rows_in_blocks) {
  const std::vector<int32_t> rows = spread_rows(small_shape());
  const std::vector<int32_t> expected{0,  1,  2,  3,  4,  5,  6,  7,  12, 13, 14, 15,
                                      20, 21, 22, 23, 24, 25, 26, 27, 32, 33, 34, 35};
  CHECK(rows == expected);
  OpShape all = small_shape();
  all.active_rows = all.rows;
  CHECK(spread_rows(all).empty());
}

TEST(bench_refuses_what_does_not_fit) {
  const OpBenchOptions options{"expand", Precision::kFloat32, "", 1, 1, false};
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
  CHECK_ERROR(ErrorCode::kShape,
              "expand: expected at most 10^12 multiply-adds per repetition, received 26388 * 10^9; use a smaller shape",
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
