// Checks and measures single ops as the model calls them, with operands in the memory of their device. What is measured
// is first checked against the double reference on reduced shapes, then timed on the device, so that nothing but the op
// lies between two marks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/select.h"
#include "bench/op_cases.h"

namespace burgeon::bench {

// Precision: kFloat32 or kBfloat16.
struct OpCheckOptions : BackendOptions {
  std::string op;
  int threads = 1;
  uint64_t seed = 1;  // of the operands
};

struct OpBenchOptions : OpCheckOptions {
  int64_t rounds = 1;  // timed repetitions of each shape
  // Warm: every timed repetition follows an untimed one of the same operands. Cold: it follows a pass over a buffer
  // larger than the last-level cache, and so does a plain copy of as many bytes, timed in the same round.
  bool cold = false;
};

constexpr int64_t kMostRounds = 10'000;
constexpr size_t kMostShapes = 16;

// How far results are from those of the double reference; of the worst output, NaN where one is.
struct OpError {
  double largest = 0;  // of any element, over the root mean square of its output, or over itself where that is larger
  double norm = 0;     // of the difference, over the norm of the output
};

struct OpBenchResult {
  std::vector<double> ms;       // one per round, in their order
  std::vector<double> copy_ms;  // of a copy that reads bytes / 2 and writes as many, when cold; else empty
  int64_t n;                    // tokens, or rows of the block of logits, that a repetition takes
  int64_t multiply_adds;        // executed by one repetition, counted by the op
  int64_t bytes;                // that one repetition must at least move: OpPlan::bytes
  OpError error;                // on reduced shapes
};

// What `OpError::largest` may be. Sums of up to 421 products in float come within 1e-5; results rounded to bfloat16
// within 1e-2; a wrong element is off by about 1.
constexpr double kTolerance = 1e-4;
constexpr double kBfloat16Tolerance = 3e-2;

// Runs the op on this very shape and compares; nothing is timed. Throws Error as below, but not for wrong results.
OpError check_op(const OpCheckOptions& options, const OpShape& shape);

// Times the shapes in turn (A B A B ...), so that a machine whose speed drifts slows all of them alike.
// Throws Error: kConfig (unknown op), kShape, kBackend (device, instruction set, threads, a result that is wrong),
// kCuda, kOutOfMemory.
std::vector<OpBenchResult> bench_op(const OpBenchOptions& options, const std::vector<OpShape>& shapes);

// Milliseconds of `rounds` copies of so many bytes within the device's memory. Throws Error(kBackend, kCuda,
// kOutOfMemory).
std::vector<double> bench_copy(const BackendOptions& options, int threads, int64_t bytes, int64_t rounds);

}  // namespace burgeon::bench
