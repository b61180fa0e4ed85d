// The one exception native code throws. Codes are those of lib/errors.ts; addon/js_error.cc is the only translator.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace burgeon {

enum class ErrorCode {
  kConfig,
  kShape,
  kDtype,
  kBusy,
  kDisposed,
  kBackend,
  kOutOfMemory,
  kCuda,
  kNonfinite,
  kData,
  kRanks
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
};

}  // namespace burgeon
