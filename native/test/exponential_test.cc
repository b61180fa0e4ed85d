// The claims of kernels/cpu/simd.h about e^x and log x, measured through an op. With one key dimension, key 1 and a
// stored log-sum-exp of 0, attention_backward computes p = e^q, and with an output gradient of 1 that is the gradient
// of the value: the bits of the exponential come out unchanged, or rounded to bfloat16.
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "test/op_fixture.h"

namespace burgeon::test {

namespace {

template <class T>
std::vector<T> as(const Floats& x) {
  std::vector<T> result;
  for (const float value : x) {
    if constexpr (std::is_same_v<T, float>) {
      result.push_back(value);
    } else {
      result.push_back(to_bfloat16(value));
    }
  }
  return result;
}

Floats as_floats(const Floats& x) { return x; }
Floats as_floats(const std::vector<bfloat16>& x) {
  Floats result;
  for (const bfloat16 value : x) result.push_back(to_float(value));
  return result;
}

// e^x of every element, as `table` computes it.
template <class T>
Floats exponentials(const TableOf<T>& table, const Floats& x) {
  const int64_t count = static_cast<int64_t>(x.size());
  const ScratchShape shape{1, 1, count, 3 * count, 1};
  // One token, `count` heads of size 1: queries, keys, values.
  Floats qkv(x);
  qkv.resize(x.size() * 2, 1.0f);
  qkv.resize(x.size() * 3, 0.0f);
  const Floats zeros(x.size());
  std::vector<T> dqkv(3 * x.size());
  OpContext context = context_for(table, shape, 2);
  table.ops->attention_backward(context, dqkv.data(), as<T>(Floats(x.size(), 1.0f)).data(), as<T>(qkv).data(),
                                as<T>(zeros).data(), zeros.data(), 1, 1, count, count, 1);
  return as_floats(std::vector<T>(dqkv.begin() + 2 * count, dqkv.end()));
}

}  // namespace

TEST(exponential_is_within_1_2_ulp) {
  Random random(21);
  Floats x{0.0f, -0.0f, 1.0f, -87.33654f, 88.72283f, 1e-30f, -1e-30f};
  for (int i = 0; i < 20000; ++i) x.push_back(random.uniform(-87.3f, 88.7f));
  for (int i = 0; i < 5000; ++i) x.push_back(random.uniform(-1.0f, 1.0f));
  for (const Table& table : fast_tables()) {
    const Note note(table.name);
    const Floats result = exponentials(table, x);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(static_cast<double>(x[i]));
      const double ulp = std::ldexp(1.0, std::ilogb(expected) - 23);
      worst = std::fmax(worst, std::fabs(result[i] - expected) / ulp);
    }
    CHECK_NEAR(worst, 0, 1.2);
  }
}

TEST(exponential_in_bfloat16_is_rounded_once) {
  Random random(22);
  Floats x{0.0f, -0.0f, 1.0f};
  for (int i = 0; i < 5000; ++i) x.push_back(to_float(to_bfloat16(random.uniform(-80.0f, 80.0f))));
  for (const Bfloat16Table& table : bfloat16_tables()) {
    const Note note(table.name);
    const Floats result = exponentials(table, x);
    CHECK(result[0] == 1 && result[1] == 1);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(static_cast<double>(x[i]));
      const double half_unit = std::ldexp(1.0, std::ilogb(expected) - 8);
      const double own = std::ldexp(expected * (2 + std::fabs(x[i])), -23);
      worst = std::fmax(worst, std::fabs(result[i] - expected) / (half_unit + own));
    }
    CHECK_NEAR(worst, 0, 1);
  }
}

TEST(exponential_of_special_values) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto check = [&](const auto& tables, float least, float overflows) {
    const Floats x{-infinity, -1e30f, -104.0f, -88.0f, overflows, 1e30f, infinity, std::nanf("")};
    for (const auto& table : tables) {
      const Note note(table.name);
      const Floats result = exponentials(table, x);
      for (size_t i = 0; i < 4; ++i) CHECK(result[i] >= 0 && result[i] <= least);
      for (size_t i = 4; i < 7; ++i) CHECK(result[i] == infinity);
      CHECK(std::isnan(result[7]));
    }
  };
  check(fast_tables(), 0, 88.73f);
  check(bfloat16_tables(), 1e-38f, 89.0f);
}

// Token i sees i + 1 scores of zero, so its log-sum-exp is the logarithm of a whole number.
TEST(logarithm_is_within_1_ulp) {
  constexpr int64_t count = 3000;
  const ScratchShape shape{count, count, 1, 3, 1};
  const auto check = [&](const auto& tables, auto zero) {
    const std::vector<decltype(zero)> qkv(3 * count, zero);
    for (const auto& table : tables) {
      const Note note(table.name);
      std::vector<decltype(zero)> out(count);
      Floats lse = poison(count);
      OpContext context = context_for(table, shape, 1);
      table.ops->attention_forward(context, out.data(), lse.data(), qkv.data(), 1, count, 1, 1, 1);
      CHECK(lse[0] == 0);
      double worst = 0;
      for (int64_t i = 1; i < count; ++i) {
        const double expected = std::log(static_cast<double>(i + 1));
        const double ulp = std::ldexp(1.0, std::ilogb(expected) - 23);
        worst = std::fmax(worst, std::fabs(lse[i] - expected) / ulp);
      }
      CHECK_NEAR(worst, 0, 1);
    }
  };
  check(fast_tables(), 0.0f);
  check(bfloat16_tables(), to_bfloat16(0.0f));
}

}  // namespace burgeon::test
