// What the op tests share: the op tables of this machine, operands from a fixed seed, and check_op, which runs one call
// on the double reference and on every table with several thread counts and compares. An output that the reference
// leaves NaN is one the contract says nothing touches: it must keep its bits.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "backend/reference.h"
#include "core/thread_pool.h"
#include "test/check.h"

namespace burgeon::test {

// Half the distance between 1 and the next float: the largest relative error of one rounding.
constexpr double kRounding = 1.0 / (1 << 24);

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

// SplitMix64 (Steele, Lea and Flood, 2014): the same operands on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  int64_t between(int64_t low, int64_t high);  // both included
  float uniform(float low, float high);
  // Sum of four uniform numbers, scaled to variance 1: bell-shaped is all that is wanted.
  float normal();
  Floats normals(int64_t count, float scale = 1, float offset = 0);
  // As normals, rounded to bfloat16 numbers.
  Floats short_normals(int64_t count);
  // Integers in [-4, 4]: sums of their products are exact in fp32, whatever the order.
  Floats integers(int64_t count);

 private:
  uint64_t state_;
};

// NaNs whose bits do not come out of arithmetic.
Floats poison(int64_t count);
Doubles widen(const Floats& values);

// Which rows of a matrix take part in an op.
struct ActiveRows {
  const char* name;
  int64_t total;  // rows of the matrix
  int64_t count;  // active rows
  std::vector<int32_t> list;
  const int32_t* rows() const { return list.empty() ? nullptr : list.data(); }
  // The (total, cols) matrix with poison in the rows that take no part.
  Floats hide_inactive(Floats matrix, int64_t cols) const;
};

// No list, the list of all rows, a random half, a single row: each with `count` active rows.
std::vector<ActiveRows> active_rows(Random& random, int64_t count);

struct Table {
  std::string name;
  const Ops<float>* ops;
  std::vector<int> threads;  // worth testing
};

// The fast tables that this machine runs; with the plain one in fp32 in front.
const std::vector<Table>& fast_tables();
const std::vector<Table>& all_tables();

// The tables of every instruction set that round the operands of products to bfloat16: they agree with the reference
// where operands are bfloat16 numbers already. And behind all_tables.
const std::vector<Table>& bfloat16_tables();
const std::vector<Table>& product_tables();

ThreadPool& pool_of(int threads);

// A copy of `initial` between words that must not change. Sanitized builds leave the words out: AddressSanitizer then
// sees stray reads too.
class Guarded {
 public:
  explicit Guarded(const Floats& initial);
  float* data() { return words_.data() + margin_; }
  const float* data() const { return words_.data() + margin_; }
  int64_t size() const { return size_; }
  bool intact() const;

 private:
  int64_t size_;
  int64_t margin_;
  Floats words_;
};

// Scratch that ends where the size an op asked for ends (rounded up to the promised alignment), so that
// AddressSanitizer sees more being used. Its contents are NaN at first and afterwards what earlier ops left.
class Workspace {
 public:
  explicit Workspace(int threads) : threads_(threads) {}
  OpContext context(ScratchSize size);

 private:
  struct Block {
    std::unique_ptr<char[], void (*)(void*)> bytes{nullptr, std::free};
    size_t size = 0;
    char* last(size_t count);
  };
  int threads_;
  Block shared_;
  Block per_thread_;
};

// The context for one op; workspaces are kept, because poisoning megabytes before every small op takes long.
OpContext context_for(const Table& table, const ScratchShape& shape, int threads);

// How far element `index` of output `output` may be from `expected`.
using Tolerance = std::function<double(size_t output, size_t index, double expected)>;
inline double exact(size_t, size_t, double) { return 0; }

// The results of a call on the double reference.
struct Expected {
  std::vector<Doubles> outputs;
  int64_t multiply_adds;
};

template <class Call>
Expected run_reference(const ScratchShape& shape, const std::vector<Floats>& inputs, const std::vector<Floats>& outputs,
                       Call call) {
  std::vector<Doubles> wide_inputs(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) wide_inputs[i] = widen(inputs[i]);
  Expected expected;
  std::vector<const double*> in;
  std::vector<double*> out;
  for (const auto& values : wide_inputs) in.push_back(values.data());
  for (const auto& values : outputs) expected.outputs.push_back(widen(values));
  for (auto& values : expected.outputs) out.push_back(values.data());
  Workspace scratch(1);
  OpContext context = scratch.context(ref::table<double>().scratch_size(shape));
  call(ref::table<double>(), context, in, out);
  expected.multiply_adds = context.multiply_adds;
  return expected;
}

void compare(const Expected& expected, const std::vector<Guarded>& results, const std::vector<Floats>& initial,
             const Tolerance& tolerance);
void compare_bits(const std::vector<Guarded>& a, const std::vector<Guarded>& b);

// call(ops, context, in, out) runs one op; it is generic over the element type. `outputs` are initial contents.
template <class Call>
void check_op(const std::vector<Table>& tables, const ScratchShape& shape, const std::vector<Floats>& inputs,
              const std::vector<Floats>& outputs, Call call, const Tolerance& tolerance) {
  const Expected expected = run_reference(shape, inputs, outputs, call);
  std::vector<const float*> in;
  for (const auto& values : inputs) in.push_back(values.data());
  for (const Table& table : tables) {
    std::vector<Guarded> first;
    for (const int threads : table.threads) {
      const Note note(table.name + ", " + std::to_string(threads) + " threads");
      std::vector<Guarded> results(outputs.begin(), outputs.end());
      std::vector<float*> out;
      for (auto& result : results) out.push_back(result.data());
      OpContext context = context_for(table, shape, threads);
      call(*table.ops, context, in, out);
      CHECK(context.multiply_adds == expected.multiply_adds);
      for (const auto& result : results) CHECK(result.intact());
      if (first.empty()) {
        compare(expected, results, outputs, tolerance);
        first = std::move(results);
      } else {
        compare_bits(first, results);
      }
    }
  }
}

}  // namespace burgeon::test
