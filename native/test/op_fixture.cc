#include "test/op_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <new>

#include "backend/select.h"

namespace burgeon::test {

namespace {

#ifdef BURGEON_SANITIZED
constexpr int64_t kMargin = 0;
#else
constexpr int64_t kMargin = 16;
#endif
constexpr float kCanary = 1234.5f;

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof(float)) == 0; }

char* take(size_t bytes) {
  void* block = nullptr;
  if (posix_memalign(&block, 64, bytes) != 0) throw std::bad_alloc();
  std::memset(block, 0xff, bytes);
  return static_cast<char*>(block);
}

}  // namespace

uint64_t Random::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int64_t Random::between(int64_t low, int64_t high) {
  return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
}

float Random::uniform(float low, float high) {
  return low + (high - low) * static_cast<float>(next() >> 40) * static_cast<float>(kRounding);
}

float Random::normal() {
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += uniform(-1, 1);
  return sum * 0.8660254f;
}

Floats Random::normals(int64_t count, float scale, float offset) {
  Floats values(static_cast<size_t>(count));
  for (float& value : values) value = offset + scale * normal();
  return values;
}

Floats Random::short_normals(int64_t count) {
  Floats values = normals(count);
  for (float& value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    bits &= 0xffff0000u;
    std::memcpy(&value, &bits, sizeof(bits));
  }
  return values;
}

Floats Random::integers(int64_t count) {
  Floats values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(between(-4, 4));
  return values;
}

Floats poison(int64_t count) {
  float value;
  const uint32_t bits = 0x7fc0beef;
  std::memcpy(&value, &bits, sizeof(value));
  return Floats(static_cast<size_t>(count), value);
}

Doubles widen(const Floats& values) { return Doubles(values.begin(), values.end()); }

Floats ActiveRows::hide_inactive(Floats matrix, int64_t cols) const {
  if (list.empty()) return matrix;
  const Floats hidden = poison(cols);
  for (int64_t row = 0; row < total; ++row) {
    if (std::binary_search(list.begin(), list.end(), static_cast<int32_t>(row))) continue;
    std::copy(hidden.begin(), hidden.end(), matrix.begin() + row * cols);
  }
  return matrix;
}

std::vector<ActiveRows> active_rows(Random& random, int64_t count) {
  std::vector<int32_t> all;
  for (int64_t row = 0; row < count; ++row) all.push_back(static_cast<int32_t>(row));
  std::vector<ActiveRows> result{{"no list", count, count, {}}, {"all rows", count, count, all}};
  // Rows 0 to 2 count - 1 in pairs of which one takes part; sometimes with rows beyond the last active one.
  std::vector<int32_t> some;
  for (const int32_t row : all) some.push_back(2 * row + static_cast<int32_t>(random.between(0, 1)));
  result.push_back({"some rows", 2 * count + random.between(0, 3), count, some});
  const int64_t total = random.between(1, 40);
  result.push_back({"one row", total, 1, {static_cast<int32_t>(random.between(0, total - 1))}});
  return result;
}

const std::vector<Table>& fast_tables() {
  static const std::vector<Table> tables = [] {
    std::vector<Table> found;
    for (const char* isa : {"baseline", "avx2", "avx512", "avx512bf16", "amx"}) {
      Selection selection;
      const Ops<float>& ops = select_ops<float>("cpu", isa, Precision::kFloat32, &selection);
      if (selection.isa == isa) found.push_back({isa, &ops, {1, 2, 3}});
    }
    return found;
  }();
  return tables;
}

const std::vector<Table>& all_tables() {
  static const std::vector<Table> tables = [] {
    std::vector<Table> all{{"reference in fp32", &ref::table<float>(), {1}}};
    all.insert(all.end(), fast_tables().begin(), fast_tables().end());
    return all;
  }();
  return tables;
}

const std::vector<Table>& bfloat16_tables() {
  static const std::vector<Table> tables = [] {
    std::vector<Table> found;
    for (const Table& table : fast_tables()) {
      Selection selection;
      found.push_back(
          {table.name + " bf16", &select_ops<float>("cpu", table.name, Precision::kBfloat16, &selection), {1, 3}});
    }
    return found;
  }();
  return tables;
}

const std::vector<Table>& product_tables() {
  static const std::vector<Table> tables = [] {
    std::vector<Table> all = all_tables();
    all.insert(all.end(), bfloat16_tables().begin(), bfloat16_tables().end());
    return all;
  }();
  return tables;
}

ThreadPool& pool_of(int threads) {
  static std::map<int, std::unique_ptr<ThreadPool>> pools;
  auto& pool = pools[threads];
  if (!pool) pool = std::make_unique<ThreadPool>(threads);
  return *pool;
}

Guarded::Guarded(const Floats& initial)
    : size_(static_cast<int64_t>(initial.size())), margin_(kMargin), words_(initial.size() + 2 * kMargin, kCanary) {
  std::copy(initial.begin(), initial.end(), data());
}

bool Guarded::intact() const {
  const auto is_canary = [](float word) { return same_bits(word, kCanary); };
  return std::all_of(words_.begin(), words_.begin() + margin_, is_canary) &&
         std::all_of(words_.end() - margin_, words_.end(), is_canary);
}

char* Workspace::Block::last(size_t count) {
  count = (count + 63) / 64 * 64;
  if (count > size) {
    bytes.reset(take(count));
    size = count;
  }
  return bytes.get() + (size - count);
}

OpContext Workspace::context(ScratchSize size) {
  const size_t thread_bytes = (size.per_thread + 63) / 64 * 64;
  return {&pool_of(threads_), shared_.last(size.shared), per_thread_.last(thread_bytes * static_cast<size_t>(threads_)),
          thread_bytes, 0};
}

OpContext context_for(const Table& table, const ScratchShape& shape, int threads) {
  static std::map<std::pair<std::string, int>, Workspace> kept;
  return kept.try_emplace({table.name, threads}, threads).first->second.context(table.ops->scratch_size(shape));
}

void compare(const Expected& expected, const std::vector<Guarded>& results, const std::vector<Floats>& initial,
             const Tolerance& tolerance) {
  for (size_t output = 0; output < results.size(); ++output) {
    const Doubles& wanted = expected.outputs[output];
    const float* values = results[output].data();
    int64_t wrong = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const bool fine = std::isnan(wanted[i]) ? same_bits(values[i], initial[output][i])
                                              : std::fabs(values[i] - wanted[i]) <= tolerance(output, i, wanted[i]);
      if (fine || ++wrong > 1) continue;
      const Note note("output " + std::to_string(output) + "[" + std::to_string(i) + "]");
      if (std::isnan(wanted[i])) {
        CHECK(same_bits(values[i], initial[output][i]));
      } else {
        CHECK_NEAR(values[i], wanted[i], tolerance(output, i, wanted[i]));
      }
    }
    const Note note("output " + std::to_string(output) + ", wrong elements");
    CHECK_NEAR(static_cast<double>(wrong), 0, 0);
  }
}

void compare_bits(const std::vector<Guarded>& a, const std::vector<Guarded>& b) {
  for (size_t output = 0; output < a.size(); ++output) {
    const size_t bytes = static_cast<size_t>(a[output].size()) * sizeof(float);
    const Note note("output " + std::to_string(output));
    CHECK(bytes == 0 || std::memcmp(a[output].data(), b[output].data(), bytes) == 0);
  }
}

}  // namespace burgeon::test
