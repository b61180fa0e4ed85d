// Runs the registered tests whose name contains any of the arguments (all without arguments), prints one line each and
// a last line "N passed, N failed". Exits with 0 only when something ran and nothing failed.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>

#include "test/check.h"

namespace burgeon::test {

namespace {

std::vector<std::string> notes;
int failures_of_test = 0;

// Loops over many shapes tend to fail on many of them; the first few say enough.
constexpr int kShownFailures = 10;

bool matches(const char* name, int count, char** parts) {
  for (int i = 0; i < count; ++i) {
    if (std::strstr(name, parts[i])) return true;
  }
  return count == 0;
}

bool passes(const Test& test) {
  failures_of_test = 0;
  const auto start = std::chrono::steady_clock::now();
  try {
    test.body();
  } catch (const std::exception& error) {
    record_failure(test.name, 0, std::string("unexpected exception: ") + error.what());
  }
  notes.clear();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  std::printf("%s %s %lld ms\n", failures_of_test == 0 ? "ok" : "FAILED", test.name,
              static_cast<long long>(ms.count()));
  std::fflush(stdout);
  return failures_of_test == 0;
}

}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

Note::Note(std::string text) { notes.push_back(std::move(text)); }

Note::~Note() {
  if (!notes.empty()) notes.pop_back();
}

void record_failure(const char* file, int line, const std::string& what) {
  if (++failures_of_test > kShownFailures) return;
  std::string place;
  for (const std::string& note : notes) place += note + ": ";
  std::printf("  %s:%d: %s%s\n", file, line, place.c_str(), what.c_str());
}

void check_near(double actual, double expected, double tolerance, const char* file, int line, const char* text) {
  if (std::fabs(actual - expected) <= tolerance) return;
  char numbers[160];
  std::snprintf(numbers, sizeof(numbers), ": expected %.9g within %.3g, received %.9g, off by %.3g", expected,
                tolerance, actual, actual - expected);
  record_failure(file, line, text + std::string(numbers));
}

}  // namespace burgeon::test

int main(int argc, char** argv) {
  int passed = 0;
  int failed = 0;
  for (const auto& test : burgeon::test::tests()) {
    if (!burgeon::test::matches(test.name, argc - 1, argv + 1)) continue;
    ++(burgeon::test::passes(test) ? passed : failed);
  }
  if (passed + failed == 0) std::printf("no test has a name with any of the given parts\n");
  std::printf("%d passed, %d failed\n", passed, failed);
  return passed > 0 && failed == 0 ? 0 : 1;
}
