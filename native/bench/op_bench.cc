#include "bench/op_bench.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "backend/reference.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/thread_pool.h"

namespace burgeon::bench {

namespace {

// What all operands of a measurement may take together.
constexpr size_t kMostBytes = size_t{8} << 30;

// SplitMix64 (Steele, Lea and Flood, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

template <class T>
void fill(const Operand& operand, uint64_t seed, T* data) {
  if (operand.assigned) {
    std::fill(data, data + operand.count, std::numeric_limits<T>::quiet_NaN());
    return;
  }
  Random random(seed);
  for (int64_t i = 0; i < operand.count; ++i) {
    const int64_t k = static_cast<int64_t>(random.next() % 257) - 128;
    data[i] = static_cast<T>(static_cast<double>(k) * operand.scale + operand.offset);
  }
}

std::vector<int32_t> draw_tokens(Op op, const OpShape& shape) {
  const bool has_tokens = op == Op::kEmbeddingForward || op == Op::kEmbeddingBackward || op == Op::kCrossEntropy;
  std::vector<int32_t> tokens(has_tokens ? static_cast<size_t>(shape.n) : 0);
  const uint64_t vocabulary = static_cast<uint64_t>(op == Op::kCrossEntropy ? shape.cols : shape.rows);
  Random random(7);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random.next() % vocabulary);
  return tokens;
}

// One shape with its operands, placed in memory that others own.
template <class T>
struct Case {
  Op op;
  OpShape shape;
  OpPlan plan;
  std::vector<int32_t> rows;
  std::vector<int32_t> tokens;
  std::vector<T*> data;
  std::vector<const T*> originals;  // of restored operands; null for others

  Case(Op which, const OpShape& s)
      : op(which), shape(s), plan(plan_op(which, s)), rows(spread_rows(s)), tokens(draw_tokens(which, s)) {}

  // Twice, as the arena's planner: to measure and to place.
  void place(ArenaCursor& cursor) {
    data.clear();
    originals.clear();
    for (const Operand& operand : plan.operands) {
      data.push_back(cursor.take<T>(operand.count));
      originals.push_back(operand.restored ? cursor.take<T>(operand.count) : nullptr);
    }
  }
  void fill_all() {
    for (size_t i = 0; i < data.size(); ++i) {
      fill(plan.operands[i], i, data[i]);
      if (originals[i]) fill(plan.operands[i], i, const_cast<T*>(originals[i]));
    }
  }
  void call(const Ops<T>& ops, OpContext& ctx) {
    ctx.multiply_adds = 0;
    call_op(op, shape, ops, ctx, OpLists{rows.empty() ? nullptr : rows.data(), tokens.data()}, data.data());
  }
};

template <class Body>
double milliseconds_of(Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Runs body(i) for i in [0, count) on the pool.
template <class Body>
void parallel(ThreadPool& pool, int64_t count, Body body) {
  pool.run(
      count, [](void* argument, int64_t task, int) { (*static_cast<Body*>(argument))(task); }, &body);
}

void copy(float* to, const float* from, int64_t count, ThreadPool& pool) {
  constexpr int64_t kPiece = int64_t{1} << 16;
  parallel(pool, (count + kPiece - 1) / kPiece, [&](int64_t piece) {
    std::copy(from + piece * kPiece, from + std::min(count, (piece + 1) * kPiece), to + piece * kPiece);
  });
}

// Operands that repetition would wear out, from their copies. On the pool, which is then awake.
void restore(Case<float>& c, ThreadPool& pool) {
  for (size_t i = 0; i < c.data.size(); ++i) {
    if (c.originals[i]) copy(c.data[i], c.originals[i], c.plan.operands[i].count, pool);
  }
}

// Larger than the last-level cache, as far as the system says how large that is.
size_t eviction_bytes() {
  size_t bytes = size_t{256} << 20;
#ifdef _SC_LEVEL3_CACHE_SIZE
  const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (cache > 0) bytes = std::max(bytes, 2 * static_cast<size_t>(cache));
#endif
  return std::min(bytes, size_t{2} << 30);
}

// Reads and writes every line of the buffer.
void evict(char* buffer, size_t bytes, ThreadPool& pool) {
  constexpr int64_t kPieces = 256;
  const size_t piece = bytes / kPieces;
  parallel(pool, kPieces, [&](int64_t task) {
    char* begin = buffer + static_cast<size_t>(task) * piece;
    for (size_t i = 0; i < piece; i += 64) begin[i] = static_cast<char>(begin[i] + 1);
  });
}

struct Scratch {
  char* shared;
  char* per_thread;
  size_t thread_bytes;
};

OpContext context_of(ThreadPool& pool, const Scratch& scratch) {
  return {&pool, scratch.shared, scratch.per_thread, scratch.thread_bytes, 0};
}

// Room for every op of the list, as the model plans it.
template <class T>
struct Memory {
  Arena arena;
  Scratch scratch{};
  char* evicted = nullptr;
  float* copied = nullptr;  // as many bytes as the largest case moves, when caches are evicted

  Memory(const Ops<T>& ops, std::vector<Case<T>>& cases, int threads, size_t evicted_bytes) {
    ScratchSize size{0, 0};
    for (const Case<T>& c : cases) {
      const ScratchSize wanted = ops.scratch_size(c.plan.scratch);
      size.shared = std::max(size.shared, wanted.shared);
      size.per_thread = std::max(size.per_thread, (wanted.per_thread + 63) / 64 * 64);
    }
    const auto place = [&](char* base) {
      ArenaCursor cursor(base);
      for (Case<T>& c : cases) c.place(cursor);
      scratch.shared = cursor.take<char>(static_cast<int64_t>(size.shared));
      scratch.thread_bytes = size.per_thread;
      scratch.per_thread = cursor.take<char>(static_cast<int64_t>(size.per_thread) * threads);
      evicted = cursor.take<char>(static_cast<int64_t>(evicted_bytes));
      int64_t moved = 0;
      for (const Case<T>& c : cases) moved = std::max(moved, c.plan.bytes);
      copied = cursor.take<float>(evicted_bytes > 0 ? moved / static_cast<int64_t>(sizeof(float)) : 0);
      return cursor.used();
    };
    const size_t bytes = place(nullptr);
    if (bytes > kMostBytes) {
      throw Error(ErrorCode::kOutOfMemory, "the operands of this measurement need " + std::to_string(bytes >> 20) +
                                               " MiB, more than the " + std::to_string(kMostBytes >> 20) +
                                               " MiB allowed; use a smaller shape or fewer threads");
    }
    arena = Arena(host_device(), bytes, "the operands of this measurement");
    place(arena.data());
    for (Case<T>& c : cases) c.fill_all();
  }
};

// Largest difference of any output from the double reference, over the root mean square of that output.
double difference(const Case<float>& result, const Case<double>& expected) {
  double worst = 0;
  for (size_t i = 0; i < result.data.size(); ++i) {
    const Operand& operand = result.plan.operands[i];
    if (!operand.output) continue;
    double squares = 0;
    double largest = 0;
    for (int64_t j = 0; j < operand.count; ++j) {
      const double wanted = expected.data[i][j];
      squares += wanted * wanted;
      const double off = std::fabs(static_cast<double>(result.data[i][j]) - wanted);
      if (!(off <= largest)) largest = off;  // NaN wins
    }
    const double size = std::sqrt(squares / static_cast<double>(operand.count));
    const double error = size > 0 ? largest / size : largest;
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

double verify(const OpBenchOptions& options, const Ops<float>& ops, const std::string& isa, Op op, const OpShape& shape,
              ThreadPool& pool) {
  std::vector<Case<float>> result{Case<float>(op, shape)};
  std::vector<Case<double>> expected{Case<double>(op, shape)};
  Memory<float> memory(ops, result, pool.size(), 0);
  Memory<double> wide(ref::table<double>(), expected, 1, 0);
  OpContext context = context_of(pool, memory.scratch);
  result[0].call(ops, context);
  OpContext reference = context_of(pool, wide.scratch);
  expected[0].call(ref::table<double>(), reference);
  const double error = difference(result[0], expected[0]);
  if (!(error <= kTolerance)) {
    throw Error(ErrorCode::kBackend, options.op + ": expected the results of " + isa + " within " +
                                         std::to_string(kTolerance) +
                                         " of the reference (relative to their size), got " + std::to_string(error) +
                                         "; not timed. This is a bug: please report it with "
                                         "the output of burgeon doctor");
  }
  if (context.multiply_adds != reference.multiply_adds) {
    throw Error(ErrorCode::kBackend, options.op + ": expected " + std::to_string(reference.multiply_adds) +
                                         " multiply-adds as the reference, executed " +
                                         std::to_string(context.multiply_adds) + "; not timed. This is a bug");
  }
  return error;
}

void check_finite(const OpBenchOptions& options, const Case<float>& c) {
  for (size_t i = 0; i < c.data.size(); ++i) {
    const Operand& operand = c.plan.operands[i];
    const bool finite = !operand.output || std::all_of(c.data[i], c.data[i] + operand.count,
                                                       [](float value) { return std::isfinite(value); });
    if (finite) continue;
    throw Error(ErrorCode::kBackend, options.op + ": expected finite results of the measured shape, output " +
                                         std::to_string(i) +
                                         " has others; its timing is not to be trusted. This is a "
                                         "bug: please report it with the output of burgeon doctor");
  }
}

}  // namespace

std::vector<OpBenchResult> bench_op(const OpBenchOptions& options, const std::vector<OpShape>& shapes) {
  const OpEntry& entry = op_entry(options.op);
  for (const OpShape& shape : shapes) check_shape(entry, shape);
  Selection selection;
  const Ops<float>& ops = select_ops<float>("cpu", options.max_isa, options.precision, &selection);
  ThreadPool pool(options.threads);

  std::vector<OpBenchResult> results(shapes.size());
  std::vector<Case<float>> cases;
  for (size_t i = 0; i < shapes.size(); ++i) {
    results[i].error = verify(options, ops, selection.isa, entry.op, reduced(entry.op, shapes[i]), pool);
    cases.emplace_back(entry.op, shapes[i]);
    results[i].bytes = cases[i].plan.bytes;
  }

  const size_t evicted = options.cold ? eviction_bytes() : 0;
  Memory<float> memory(ops, cases, pool.size(), evicted);
  OpContext context = context_of(pool, memory.scratch);
  for (int64_t round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      if (!options.cold || round == 0) {
        restore(cases[i], pool);
        cases[i].call(ops, context);
      }
      restore(cases[i], pool);
      if (options.cold) evict(memory.evicted, evicted, pool);
      results[i].ms.push_back(milliseconds_of([&] { cases[i].call(ops, context); }));
      results[i].multiply_adds = context.multiply_adds;
      if (options.cold) {
        const int64_t half = results[i].bytes / 2 / static_cast<int64_t>(sizeof(float));
        evict(memory.evicted, evicted, pool);
        results[i].copy_ms.push_back(milliseconds_of([&] { copy(memory.copied + half, memory.copied, half, pool); }));
      }
    }
  }
  for (const Case<float>& c : cases) check_finite(options, c);
  return results;
}

}  // namespace burgeon::bench
