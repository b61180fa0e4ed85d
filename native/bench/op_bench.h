// Measures single ops as the model calls them: each is first checked against the double reference on a reduced shape of
// odd sizes, then timed here, so that nothing but the op lies between the two clock readings.
#pragma once

#include <string>
#include <vector>

#include "backend/select.h"
#include "bench/op_cases.h"

namespace burgeon::bench {

struct OpBenchOptions {
  std::string op;
  Precision precision = Precision::kFloat32;  // or kBfloat16
  std::string max_isa;                        // as in select_ops
  int threads = 1;
  int64_t rounds = 1;  // timed repetitions of each shape
  // Warm: every timed repetition follows an untimed one of the same operands. Cold: it follows a pass over a buffer
  // larger than the last-level cache, and so does a plain copy of as many bytes, timed in the same round.
  bool cold = false;
};

constexpr int64_t kMostRounds = 10'000;
constexpr size_t kMostShapes = 16;

struct OpBenchResult {
  std::vector<double> ms;       // one per round, in their order
  std::vector<double> copy_ms;  // of a copy that reads bytes / 2 and writes as many, when cold; else empty
  int64_t multiply_adds;   // executed by one repetition, counted by the op
  int64_t bytes;           // that one repetition must at least move: OpPlan::bytes
  double error;            // largest difference from the reference, over the root mean square of that output
};

// Every output of the reduced shape must be within this of the reference, in units of its root mean square. Sums of up
// to 421 products in fp32 come within 1e-5; a wrong element is off by about 1.
constexpr double kTolerance = 1e-4;

// Times the shapes in turn (A B A B ...), so that a machine whose speed drifts slows all of them alike.
// Throws Error: kConfig (unknown op), kShape, kBackend (instruction set, threads, a result that is wrong),
// kOutOfMemory.
std::vector<OpBenchResult> bench_op(const OpBenchOptions& options, const std::vector<OpShape>& shapes);

}  // namespace burgeon::bench
