#include "bench/op_bench.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "backend/reference.h"
#include "core/arena.h"
#include "core/bfloat16.h"
#include "core/error.h"
#include "core/system.h"
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

template <class E>
E to_element(double value) {
  if constexpr (std::is_same_v<E, bfloat16>) {
    return to_bfloat16(static_cast<float>(value));
  } else {
    return static_cast<E>(value);
  }
}
template <class E>
double to_double(E value) {
  if constexpr (std::is_same_v<E, bfloat16>) {
    return static_cast<double>(to_float(value));
  } else {
    return static_cast<double>(value);
  }
}

// visit(E{}) with the operand's element type for a backend of T and W.
template <class T, class W, class Visit>
auto visit_element(const Operand& operand, Visit visit) {
  switch (operand.element) {
    case Element::kActivation:
      return visit(T{});
    case Element::kWeight:
      return visit(W{});
    case Element::kMaster:
      return visit(Master<T>{});
    default:
      return visit(double{});
  }
}

// Numbers are drawn once for so many elements, and repeat after that; a prime, so that no rows are equal.
constexpr int64_t kPeriod = 1'048'573;

template <class E>
void fill(Device& device, const Operand& operand, uint64_t seed, void* data) {
  std::vector<E> numbers(static_cast<size_t>(std::min(operand.count, kPeriod)));
  Random random(seed);
  for (E& number : numbers) {
    const int64_t k = static_cast<int64_t>(random.next() % 257) - 128;
    number = to_element<E>(operand.assigned ? std::numeric_limits<double>::quiet_NaN()
                                            : static_cast<double>(k) * operand.scale + operand.offset);
  }
  for (int64_t begin = 0; begin < operand.count; begin += kPeriod) {
    const int64_t count = std::min(operand.count - begin, kPeriod);
    device.write(static_cast<E*>(data) + begin, numbers.data(), static_cast<size_t>(count) * sizeof(E));
  }
}

// Calls body(number) for every element, in order.
template <class E, class Body>
void each_number(Device& device, const Operand& operand, const void* data, Body body) {
  std::vector<E> numbers(static_cast<size_t>(std::min(operand.count, kPeriod)));
  for (int64_t begin = 0; begin < operand.count; begin += kPeriod) {
    const int64_t count = std::min(operand.count - begin, kPeriod);
    device.read(numbers.data(), static_cast<const E*>(data) + begin, static_cast<size_t>(count) * sizeof(E));
    for (int64_t i = 0; i < count; ++i) body(to_double(numbers[static_cast<size_t>(i)]));
  }
}

std::vector<int32_t> draw_tokens(Op op, const OpShape& shape, uint64_t seed) {
  const bool has_tokens =
      op == Op::kEmbeddingForward || op == Op::kEmbeddingBackward || op == Op::kCrossEntropy || op == Op::kHeadLoss;
  std::vector<int32_t> tokens(has_tokens ? static_cast<size_t>(shape.n) : 0);
  const uint64_t vocabulary = static_cast<uint64_t>(op == Op::kCrossEntropy ? shape.cols : shape.rows);
  Random random(seed + 7);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random.next() % vocabulary);
  return tokens;
}

// One shape with its operands, placed in memory of a device that others own.
template <class T, class W>
struct Case {
  Op op;
  OpShape shape;
  OpPlan plan;
  uint64_t seed;
  std::vector<int32_t> rows;
  std::vector<int32_t> tokens;
  OpLists lists{};  // of these, on the device
  std::vector<void*> data;
  std::vector<void*> originals;  // of restored operands; null for others

  Case(Op which, const OpShape& s, const Ops<T, W>& ops, bool compact, uint64_t drawn_from)
      : op(which),
        shape(s),
        plan(plan_op(which, s, compact, sizeof(T), sizeof(W))),
        seed(drawn_from),
        rows(spread_rows(which, s, compact)),
        tokens(draw_tokens(which, s, drawn_from)) {
    if (op != Op::kEmbeddingBackward || !ops.order_tokens) return;
    std::vector<int32_t> counts(static_cast<size_t>(shape.rows + 1));
    tokens.resize(static_cast<size_t>(shape.n + ops.token_order_words(shape.n)));
    ops.order_tokens(tokens.data() + shape.n, tokens.data(), shape.n, counts.data(), shape.rows);
  }

  // Twice, as the arena's planner: to measure and to place.
  void place(ArenaCursor& cursor) {
    data.clear();
    originals.clear();
    for (const Operand& operand : plan.operands) {
      data.push_back(cursor.take<char>(bytes_of(operand)));
      originals.push_back(operand.restored ? cursor.take<char>(bytes_of(operand)) : nullptr);
    }
    lists.rows = rows.empty() ? nullptr : cursor.take<int32_t>(static_cast<int64_t>(rows.size()));
    lists.tokens = cursor.take<int32_t>(static_cast<int64_t>(tokens.size()));
  }
  void fill_all(Device& device) {
    for (size_t i = 0; i < data.size(); ++i) {
      visit_element<T, W>(plan.operands[i], [&](auto element) {
        for (void* to : {data[i], originals[i]}) {
          if (to) fill<decltype(element)>(device, plan.operands[i], 1000 * seed + i, to);
        }
      });
    }
    const auto write = [&](const int32_t* to, const std::vector<int32_t>& list) {
      if (!list.empty()) device.write(const_cast<int32_t*>(to), list.data(), list.size() * sizeof(int32_t));
    };
    write(lists.rows, rows);
    write(lists.tokens, tokens);
  }
  void call(const Ops<T, W>& ops, OpContext& ctx) {
    ctx.multiply_adds = 0;
    call_op(op, shape, ops, ctx, lists, data.data());
  }
  static int64_t bytes_of(const Operand& operand) {
    return operand.count *
           visit_element<T, W>(operand, [](auto element) { return static_cast<int64_t>(sizeof(element)); });
  }
};

// Runs body(i) for i in [0, count) on the pool.
template <class Body>
void parallel(ThreadPool& pool, int64_t count, Body body) {
  pool.run(
      count, [](void* argument, int64_t task, int) { (*static_cast<Body*>(argument))(task); }, &body);
}

// Copies on a device, and what empties its caches. The host's are done by all threads, which are then awake.
class Mover {
 public:
  Mover(Device& device, ThreadPool& pool) : device_(device), pool_(pool) {}

  void copy(void* to, const void* from, int64_t bytes) {
    if (device_.queue()) return device_.copy(to, from, static_cast<size_t>(bytes));
    constexpr int64_t kPiece = int64_t{1} << 18;
    parallel(pool_, (bytes + kPiece - 1) / kPiece, [&](int64_t piece) {
      const int64_t begin = piece * kPiece;
      device_.copy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                   static_cast<size_t>(std::min(bytes - begin, kPiece)));
    });
  }

  // Larger than the last-level cache, as far as the system says how large that is; that of a GPU has 50 MB or so.
  size_t eviction_bytes() const {
    size_t bytes = size_t{256} << 20;
    if (!device_.queue()) bytes = std::max(bytes, 2 * system::last_level_cache());
    return std::min(bytes, size_t{2} << 30);
  }

  // Writes every line of the buffer.
  void evict(char* buffer, size_t bytes) {
    if (device_.queue()) return device_.clear(buffer, bytes);
    constexpr int64_t kPieces = 256;
    const size_t piece = bytes / kPieces;
    parallel(pool_, kPieces, [&](int64_t task) {
      char* begin = buffer + static_cast<size_t>(task) * piece;
      for (size_t i = 0; i < piece; i += 64) begin[i] = static_cast<char>(begin[i] + 1);
    });
  }

 private:
  Device& device_;
  ThreadPool& pool_;
};

// Operands that repetition would wear out, from their copies.
template <class T, class W>
void restore(Case<T, W>& c, Mover& mover) {
  for (size_t i = 0; i < c.data.size(); ++i) {
    if (c.originals[i]) mover.copy(c.data[i], c.originals[i], Case<T, W>::bytes_of(c.plan.operands[i]));
  }
}

// Room on a device for every op of the list, as the model plans it.
template <class T, class W>
struct Memory {
  Arena arena;
  OpContext context{};
  char* evicted = nullptr;
  char* copied = nullptr;  // as many bytes as the largest case moves, when caches are evicted

  Memory(Device& device, const Ops<T, W>& ops, std::vector<Case<T, W>>& cases, ThreadPool& pool, size_t evicted_bytes) {
    ScratchSize size{0, 0};
    for (const Case<T, W>& c : cases) {
      const ScratchSize wanted = ops.scratch_size(c.plan.scratch);
      size.shared = std::max(size.shared, wanted.shared);
      size.per_thread = std::max(size.per_thread, (wanted.per_thread + 63) / 64 * 64);
    }
    context.pool = &pool;
    context.queue = device.queue();
    context.thread_scratch_bytes = size.per_thread;
    const auto place = [&](char* base) {
      ArenaCursor cursor(base);
      for (Case<T, W>& c : cases) c.place(cursor);
      context.shared_scratch = cursor.take<char>(static_cast<int64_t>(size.shared));
      context.thread_scratch = cursor.take<char>(static_cast<int64_t>(size.per_thread) * pool.size());
      evicted = cursor.take<char>(static_cast<int64_t>(evicted_bytes));
      int64_t moved = 0;
      for (const Case<T, W>& c : cases) moved = std::max(moved, c.plan.bytes);
      copied = cursor.take<char>(evicted_bytes > 0 ? moved : 0);
      return cursor.used();
    };
    const size_t bytes = place(nullptr);
    if (bytes > kMostBytes) {
      throw Error(ErrorCode::kOutOfMemory, "the operands of this measurement need " + std::to_string(bytes >> 20) +
                                               " MiB, more than the " + std::to_string(kMostBytes >> 20) +
                                               " MiB allowed; use a smaller shape or fewer threads");
    }
    arena = Arena(device, bytes, "the operands of this measurement");
    place(arena.data());
    for (Case<T, W>& c : cases) c.fill_all(device);
  }
};

// NaN wins.
double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }

template <class T, class W>
OpError compare(Device& device, const Case<T, W>& result, const Case<double, double>& expected) {
  OpError worst;
  for (size_t i = 0; i < result.data.size(); ++i) {
    const Operand& operand = result.plan.operands[i];
    if (!operand.output) continue;
    const double* wanted = static_cast<const double*>(expected.data[i]);
    double squares = 0;
    for (int64_t j = 0; j < operand.count; ++j) squares += wanted[j] * wanted[j];
    const double size = squares > 0 ? std::sqrt(squares / static_cast<double>(operand.count)) : 1;
    double largest = 0;
    double difference = 0;
    visit_element<T, W>(operand, [&](auto element) {
      each_number<decltype(element)>(device, operand, result.data[i], [&](double number) {
        const double off = number - *wanted;
        largest = larger(std::fabs(off) / std::max(size, std::fabs(*wanted)), largest);
        difference += off * off;
        ++wanted;
      });
    });
    worst.largest = larger(largest, worst.largest);
    worst.norm = larger(std::sqrt(difference / static_cast<double>(operand.count)) / size, worst.norm);
  }
  return worst;
}

// A backend with the threads of a measurement.
template <class T, class W>
struct Engine {
  Selection selection;
  Backend<T, W> backend;
  ThreadPool pool;

  explicit Engine(const OpCheckOptions& options)
      : backend(select_backend<T, W>(options, &selection)), pool(options.threads) {}
  const Ops<T, W>& ops() const { return *backend.ops; }
  Device& device() const { return *backend.device; }
};

template <class T, class W>
OpError check(const OpCheckOptions& options, Engine<T, W>& engine, Op op, const OpShape& given) {
  const bool compact = engine.ops().compact;
  const OpShape shape = as_in_step(op, given, engine.ops());
  const Ops<double>& plain = ref::table<double>();
  std::vector<Case<T, W>> result{Case<T, W>(op, shape, engine.ops(), compact, options.seed)};
  std::vector<Case<double, double>> expected{Case<double, double>(op, shape, plain, compact, options.seed)};
  ThreadPool alone(1);
  Memory<T, W> memory(engine.device(), engine.ops(), result, engine.pool, 0);
  Memory<double, double> wide(host_device(), plain, expected, alone, 0);
  result[0].call(engine.ops(), memory.context);
  expected[0].call(plain, wide.context);
  if (memory.context.multiply_adds != wide.context.multiply_adds) {
    throw Error(ErrorCode::kBackend, options.op + ": expected " + std::to_string(wide.context.multiply_adds) +
                                         " multiply-adds as the reference, executed " +
                                         std::to_string(memory.context.multiply_adds) + "; not timed. This is a bug");
  }
  return compare(engine.device(), result[0], expected[0]);
}

// Where products take dense operands, rows of whole vectors take other paths than odd ones.
template <class T, class W>
OpError check_reduced(const OpCheckOptions& options, Engine<T, W>& engine, Op op, const OpShape& shape) {
  const OpShape odd = reduced(op, shape, Sizes::kOdd);
  const OpShape vectors = reduced(op, shape, Sizes::kVectors);
  OpError error = check(options, engine, op, odd);
  if (engine.ops().compact && !(vectors == odd)) {
    const OpError other = check(options, engine, op, vectors);
    error = {larger(other.largest, error.largest), larger(other.norm, error.norm)};
  }
  const double tolerance = std::is_same_v<T, bfloat16> ? kBfloat16Tolerance : kTolerance;
  if (error.largest <= tolerance) return error;
  throw Error(ErrorCode::kBackend, options.op + ": expected the results of " + engine.selection.isa + " within " +
                                       std::to_string(tolerance) + " of the reference (relative to their size), got " +
                                       std::to_string(error.largest) +
                                       "; not timed. This is a bug: please report it with "
                                       "the output of burgeon doctor");
}

template <class T, class W>
void check_finite(const OpBenchOptions& options, Device& device, const Case<T, W>& c) {
  for (size_t i = 0; i < c.data.size(); ++i) {
    const Operand& operand = c.plan.operands[i];
    if (!operand.output) continue;
    bool finite = true;
    visit_element<T, W>(operand, [&](auto element) {
      each_number<decltype(element)>(device, operand, c.data[i],
                                     [&](double number) { finite = finite && std::isfinite(number); });
    });
    if (finite) continue;
    throw Error(ErrorCode::kBackend, options.op + ": expected finite results of the measured shape, output " +
                                         std::to_string(i) +
                                         " has others; its timing is not to be trusted. This is a "
                                         "bug: please report it with the output of burgeon doctor");
  }
}

template <class Body>
double milliseconds_of(Device& device, Body body) {
  const int64_t begin = device.mark();
  body();
  return device.milliseconds(begin, device.mark());
}

template <class T, class W>
std::vector<OpBenchResult> bench(const OpBenchOptions& options, Op op, const std::vector<OpShape>& shapes) {
  Engine<T, W> engine(options);
  const Ops<T, W>& ops = engine.ops();
  Device& device = engine.device();
  std::vector<OpBenchResult> results(shapes.size());
  std::vector<Case<T, W>> cases;
  for (size_t i = 0; i < shapes.size(); ++i) {
    results[i].error = check_reduced(options, engine, op, shapes[i]);
    cases.emplace_back(op, as_in_step(op, shapes[i], ops), ops, ops.compact, options.seed);
    results[i].bytes = cases[i].plan.bytes;
    results[i].n = cases[i].shape.n;
  }

  Mover mover(device, engine.pool);
  const size_t evicted = options.cold ? mover.eviction_bytes() : 0;
  Memory<T, W> memory(device, ops, cases, engine.pool, evicted);
  for (int64_t round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      if (!options.cold || round == 0) {
        restore(cases[i], mover);
        cases[i].call(ops, memory.context);
      }
      restore(cases[i], mover);
      if (options.cold) mover.evict(memory.evicted, evicted);
      results[i].ms.push_back(milliseconds_of(device, [&] { cases[i].call(ops, memory.context); }));
      results[i].multiply_adds = memory.context.multiply_adds;
      if (options.cold) {
        const int64_t half = results[i].bytes / 2;
        mover.evict(memory.evicted, evicted);
        results[i].copy_ms.push_back(
            milliseconds_of(device, [&] { mover.copy(memory.copied + half, memory.copied, half); }));
      }
    }
  }
  for (const Case<T, W>& c : cases) check_finite(options, device, c);
  return results;
}

}  // namespace

OpError check_op(const OpCheckOptions& options, const OpShape& shape) {
  const OpEntry& entry = op_entry(options.op);
  check_shape(entry, shape);
  return with_types(options, [&](auto t, auto w) {
    Engine<decltype(t), decltype(w)> engine(options);
    return check(options, engine, entry.op, shape);
  });
}

std::vector<OpBenchResult> bench_op(const OpBenchOptions& options, const std::vector<OpShape>& shapes) {
  const OpEntry& entry = op_entry(options.op);
  for (const OpShape& shape : shapes) check_shape(entry, shape);
  return with_types(options,
                    [&](auto t, auto w) { return bench<decltype(t), decltype(w)>(options, entry.op, shapes); });
}

std::vector<double> bench_copy(const BackendOptions& options, int threads, int64_t bytes, int64_t rounds) {
  Selection selection;
  const Backend<float> backend = select_backend<float, float>(options, &selection);
  Device& device = *backend.device;
  ThreadPool pool(threads);
  Mover mover(device, pool);
  Arena arena(device, static_cast<size_t>(bytes) * 2, "the operands of this measurement");
  const auto copy = [&] { mover.copy(arena.data() + bytes, arena.data(), bytes); };
  std::vector<double> ms;
  for (int64_t round = 0; round < rounds; ++round) {
    copy();
    ms.push_back(milliseconds_of(device, copy));
  }
  return ms;
}

}  // namespace burgeon::bench
