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
template <class T>
T canary() {
  T value;
  std::memset(&value, 0x44, sizeof(value));
  return value;
}

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

double rounded(double value) { return to_float(to_bfloat16(static_cast<float>(value))); }

std::vector<bfloat16> narrow(const Floats& values) {
  std::vector<bfloat16> result;
  for (const float value : values) result.push_back(to_bfloat16(value));
  return result;
}

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

Floats Random::short_normals(int64_t count, float scale) {
  Floats values = normals(count, scale);
  for (float& value : values) value = to_float(to_bfloat16(value));
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
      const Ops<float>& ops = select_ops<float>("cpu", isa, &selection);
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

const std::vector<Bfloat16Table>& bfloat16_tables() {
  static const std::vector<Bfloat16Table> tables = [] {
    std::vector<Bfloat16Table> found;
    for (const Table& table : fast_tables()) {
      Selection selection;
      found.push_back({table.name + " bf16", &select_ops<bfloat16, float>("cpu", table.name, &selection), {1, 3}});
    }
    return found;
  }();
  return tables;
}

ThreadPool& pool_of(int threads) {
  static std::map<int, std::unique_ptr<ThreadPool>> pools;
  auto& pool = pools[threads];
  if (!pool) pool = std::make_unique<ThreadPool>(threads);
  return *pool;
}

template <class T>
GuardedOf<T>::GuardedOf(const std::vector<T>& initial)
    : size_(static_cast<int64_t>(initial.size())), margin_(kMargin), words_(initial.size() + 2 * kMargin, canary<T>()) {
  std::copy(initial.begin(), initial.end(), data());
}

template <class T>
bool GuardedOf<T>::intact() const {
  const auto is_canary = [](T word) { return same_bits(word, canary<T>()); };
  return std::all_of(words_.begin(), words_.begin() + margin_, is_canary) &&
         std::all_of(words_.end() - margin_, words_.end(), is_canary);
}

template class GuardedOf<float>;
template class GuardedOf<bfloat16>;

Operand::Operand(const Floats& values)
    : floats_(values), bfloat16s_(narrow(values)), is_exact_(std::all_of(values.begin(), values.end(), [](float value) {
        return std::isnan(value) || rounded(value) == value;
      })) {}

bfloat16* Operand::take_bfloat16() {
  const Note note("an operand that is taken as bfloat16 and holds numbers that are none");
  CHECK(is_exact_);
  is_bfloat16_ = true;
  return bfloat16s_.data();
}

Floats Operand::values() const {
  if (!is_bfloat16_) return Floats(floats_.data(), floats_.data() + floats_.size());
  Floats values;
  for (int64_t i = 0; i < bfloat16s_.size(); ++i) values.push_back(to_float(bfloat16s_.data()[i]));
  return values;
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

OpContext context_for(const std::string& table, ScratchSize size, int threads) {
  static std::map<std::pair<std::string, int>, Workspace> kept;
  return kept.try_emplace({table, threads}, threads).first->second.context(size);
}

void compare(const Expected& expected, const Results& results, const std::vector<Floats>& initial,
             const Tolerance& tolerance) {
  for (size_t output = 0; output < results.outputs.size(); ++output) {
    const Doubles& wanted = expected.outputs[output];
    const Floats& values = results.outputs[output];
    const bool is_bfloat16 = results.are_bfloat16[output];
    int64_t wrong = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const std::string place = "output " + std::to_string(output) + "[" + std::to_string(i) + "]";
      if (std::isnan(wanted[i])) {
        // Words nobody touched.
        const float before = is_bfloat16 ? to_float(to_bfloat16(initial[output][i])) : initial[output][i];
        if (same_bits(values[i], before) || ++wrong > 1) continue;
        const Note note(place);
        CHECK(same_bits(values[i], before));
        continue;
      }
      double aim = wanted[i];
      double slack = tolerance(output, i, aim);
      if (is_bfloat16) {
        if (slack > 0) slack += std::fabs(aim) / (1 << 7);
        aim = rounded(aim);
      }
      if (std::fabs(values[i] - aim) <= slack || ++wrong > 1) continue;
      const Note note(place);
      CHECK_NEAR(values[i], aim, slack);
    }
    const Note note("output " + std::to_string(output) + ", wrong elements");
    CHECK_NEAR(static_cast<double>(wrong), 0, 0);
  }
}

void compare_bits(const Results& a, const Results& b) {
  for (size_t output = 0; output < a.outputs.size(); ++output) {
    const size_t bytes = a.outputs[output].size() * sizeof(float);
    const Note note("output " + std::to_string(output));
    CHECK(bytes == 0 || std::memcmp(a.outputs[output].data(), b.outputs[output].data(), bytes) == 0);
  }
}

}  // namespace burgeon::test
