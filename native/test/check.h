// The whole test harness. TEST registers a function; the checks record a failure and let the test go on, so that one
// run shows everything that is wrong; a Note says where a loop is (instruction set, shape) in the messages of the
// checks inside it. Checks belong on the main thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace burgeon::test {

struct Test {
  const char* name;
  void (*body)();
};

std::vector<Test>& tests();

struct Registration {
  Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

class Note {
 public:
  explicit Note(std::string text);
  ~Note();
  Note(const Note&) = delete;
  Note& operator=(const Note&) = delete;
};

void record_failure(const char* file, int line, const std::string& what);

// NaN on either side fails.
void check_near(double actual, double expected, double tolerance, const char* file, int line, const char* text);

template <class Call>
void check_error(ErrorCode code, const std::string& message, Call call, const char* file, int line) {
  try {
    call();
    record_failure(file, line, "expected the error \"" + message + "\", nothing was thrown");
  } catch (const Error& error) {
    if (error.code() != code) record_failure(file, line, "wrong error code for \"" + std::string(error.what()) + "\"");
    if (error.what() != message) {
      record_failure(file, line, "expected the error \"" + message + "\", received \"" + error.what() + "\"");
    }
  }
}

}  // namespace burgeon::test

#define TEST(name)                                                             \
  static void name();                                                          \
  static const ::burgeon::test::Registration name##_registration(#name, name); \
  static void name()

#define CHECK(condition) \
  ((condition) ? void() : ::burgeon::test::record_failure(__FILE__, __LINE__, "expected " #condition))

#define CHECK_NEAR(actual, expected, tolerance) \
  ::burgeon::test::check_near(actual, expected, tolerance, __FILE__, __LINE__, #actual)

// The call must throw burgeon::Error with this code and exactly this message.
#define CHECK_ERROR(code, message, ...) \
  ::burgeon::test::check_error(         \
      code, message, [&] { (void)(__VA_ARGS__); }, __FILE__, __LINE__)
