// What the op tests share: the op tables of this machine, operands from a fixed seed, and check_op, which runs one call
// on the double reference and on every table with several thread counts and compares. An output that the reference
// leaves NaN is one the contract says nothing touches: it must keep its bits. Operands of tables in bfloat16 are made
// from floats and compared as such.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "backend/reference.h"
#include "core/bfloat16.h"
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
  Floats short_normals(int64_t count, float scale = 1);
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

template <class T>
struct TableOf {
  std::string name;
  const Ops<T, float>* ops;
  std::vector<int> threads;  // worth testing
};
using Table = TableOf<float>;
using Bfloat16Table = TableOf<bfloat16>;

// The fast tables that this machine runs; with the plain one in fp32 in front.
const std::vector<Table>& fast_tables();
const std::vector<Table>& all_tables();

// The tables of every instruction set with activations in bfloat16; operands of products are rounded to it.
const std::vector<Bfloat16Table>& bfloat16_tables();

// The tables of both precisions.
template <class Body>
void for_each_table(Body body) {
  const auto visit = [&](const auto& tables) {
    for (const auto& table : tables) {
      const Note note(table.name);
      body(table);
    }
  };
  visit(all_tables());
  visit(bfloat16_tables());
}

ThreadPool& pool_of(int threads);

// A copy of `initial` between words that must not change. Sanitized builds leave the words out: AddressSanitizer then
// sees stray reads too.
template <class T>
class GuardedOf {
 public:
  explicit GuardedOf(const std::vector<T>& initial);
  T* data() { return words_.data() + margin_; }
  const T* data() const { return words_.data() + margin_; }
  int64_t size() const { return size_; }
  bool intact() const;

 private:
  int64_t size_;
  int64_t margin_;
  std::vector<T> words_;
};
using Guarded = GuardedOf<float>;

// Numbers in memory as float and as bfloat16; whichever an op takes.
class Operand {
 public:
  explicit Operand(const Floats& values);
  // What an argument becomes. Taking bfloat16 is noted; only NaN may have lost bits.
  class Argument {
   public:
    Argument(std::nullptr_t) {}
    explicit Argument(Operand* from) : from_(from) {}
    operator float*() const { return from_ ? from_->floats_.data() : nullptr; }
    operator bfloat16*() const { return from_ ? from_->take_bfloat16() : nullptr; }

   private:
    Operand* from_ = nullptr;
  };
  Argument argument() { return Argument(this); }
  bool is_bfloat16() const { return is_bfloat16_; }
  bool intact() const { return floats_.intact() && bfloat16s_.intact(); }
  Floats values() const;

 private:
  bfloat16* take_bfloat16();

  Guarded floats_;
  GuardedOf<bfloat16> bfloat16s_;
  bool is_exact_;
  bool is_bfloat16_ = false;
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
OpContext context_for(const std::string& table, ScratchSize size, int threads);
template <class T>
OpContext context_for(const TableOf<T>& table, const ScratchShape& shape, int threads) {
  return context_for(table.name, table.ops->scratch_size(shape), threads);
}

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

// The results of a call on a table.
struct Results {
  std::vector<Floats> outputs;
  std::vector<bool> are_bfloat16;
  int64_t multiply_adds;
};

template <class T, class Call>
Results run_op(const TableOf<T>& table, const ScratchShape& shape, int threads, const std::vector<Floats>& inputs,
               const std::vector<Floats>& outputs, Call call) {
  std::vector<Operand> from(inputs.begin(), inputs.end());
  std::vector<Operand> to(outputs.begin(), outputs.end());
  OpContext context = context_for(table, shape, threads);
  const auto run = [&](auto in, auto out) { call(*table.ops, context, in, out); };
  if constexpr (std::is_same_v<T, float>) {
    std::vector<const float*> in;
    std::vector<float*> out;
    for (Operand& operand : from) in.push_back(operand.argument());
    for (Operand& operand : to) out.push_back(operand.argument());
    run(in, out);
  } else {
    std::vector<Operand::Argument> in, out;
    for (Operand& operand : from) in.push_back(operand.argument());
    for (Operand& operand : to) out.push_back(operand.argument());
    run(in, out);
  }
  Results results{{}, {}, context.multiply_adds};
  for (const Operand& operand : to) {
    CHECK(operand.intact());
    results.outputs.push_back(operand.values());
    results.are_bfloat16.push_back(operand.is_bfloat16());
  }
  return results;
}

// Outputs in bfloat16 may be off by a rounding more, those that must be exact by that of the exact number.
void compare(const Expected& expected, const Results& results, const std::vector<Floats>& initial,
             const Tolerance& tolerance);
void compare_bits(const Results& a, const Results& b);

template <class T, class Call>
void check_op(const std::vector<TableOf<T>>& tables, const ScratchShape& shape, const std::vector<Floats>& inputs,
              const std::vector<Floats>& outputs, const Expected& expected, Call call, const Tolerance& tolerance) {
  for (const TableOf<T>& table : tables) {
    Results first;
    for (const int threads : table.threads) {
      const Note note(table.name + ", " + std::to_string(threads) + " threads");
      Results results = run_op(table, shape, threads, inputs, outputs, call);
      CHECK(results.multiply_adds == expected.multiply_adds);
      if (first.outputs.empty()) {
        compare(expected, results, outputs, tolerance);
        first = std::move(results);
      } else {
        compare_bits(first, results);
      }
    }
  }
}

// call(ops, context, in, out) runs one op; it is generic over the types of elements. `outputs` are initial contents.
template <class T, class Call>
void check_op(const std::vector<TableOf<T>>& tables, const ScratchShape& shape, const std::vector<Floats>& inputs,
              const std::vector<Floats>& outputs, Call call, const Tolerance& tolerance) {
  check_op(tables, shape, inputs, outputs, run_reference(shape, inputs, outputs, call), call, tolerance);
}

// On the tables of both precisions. Numbers that are activations must be bfloat16 numbers.
template <class Call>
void check_op(const ScratchShape& shape, const std::vector<Floats>& inputs, const std::vector<Floats>& outputs,
              Call call, const Tolerance& tolerance) {
  const Expected expected = run_reference(shape, inputs, outputs, call);
  check_op(all_tables(), shape, inputs, outputs, expected, call, tolerance);
  check_op(bfloat16_tables(), shape, inputs, outputs, expected, call, tolerance);
}

}  // namespace burgeon::test
