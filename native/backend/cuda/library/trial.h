// Products that are computed twice, to see whether a library does what it should.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/bfloat16.h"
#include "core/error.h"
#include "kernels/cuda/runtime.h"

namespace burgeon::cuda {

inline float number(float value) { return value; }
inline float number(bfloat16 value) { return to_float(value); }

// Whether two results on the device are the same but for rounding.
template <class T>
bool are_near(Stream stream, const T* first, const T* second, int64_t count) {
  const auto values = [&](const T* from) {
    std::vector<T> read_back(static_cast<size_t>(count));
    read(stream, read_back.data(), from, read_back.size() * sizeof(T));
    return read_back;
  };
  const std::vector<T> a = values(first);
  const std::vector<T> b = values(second);
  double off = 0;
  double size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = number(a[i]) - number(b[i]);
    off += difference * difference;
    size += static_cast<double>(number(b[i])) * number(b[i]);
  }
  // A relative error of 1 %; the square of NaN is none. Zeros alone show nothing.
  return size > 0 && off <= 1e-4 * size;
}

// Operands of a small product on the device, and two results to compare.
class Trial {
 public:
  static constexpr int64_t kTokens = 96;
  static constexpr int64_t kRows = 160;
  static constexpr int64_t kCols = 64;

  explicit Trial(Stream stream) : stream_(stream) {
    constexpr size_t kBytes = 1 << 20;
    block_ = static_cast<char*>(allocate(kBytes));
    if (!block_) throw Error(ErrorCode::kCuda, "cuBLASLt: the device has no memory left for its test");
    x = filled<bfloat16>(kTokens * kCols);
    wide = filled<bfloat16>(kTokens * kRows);
    w = filled<bfloat16>(kRows * kCols);
    residual = filled<bfloat16>(kTokens * kCols);
    bias = filled<float>(kRows);
  }
  ~Trial() { release(block_); }
  Trial(const Trial&) = delete;

  template <class T>
  T* filled(int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    for (T& value : values) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      const float number = static_cast<float>(static_cast<int32_t>(state_ >> 32)) / 0x1p31f;
      if constexpr (sizeof(T) == 2) {
        value = to_bfloat16(number);
      } else {
        value = number;
      }
    }
    T* const to = reinterpret_cast<T*>(block_ + used_);
    used_ += (values.size() * sizeof(T) + 255) / 256 * 256;
    write(stream_, to, values.data(), values.size() * sizeof(T));
    return to;
  }

  // Whether both, which have the same contents before, leave the same, but for rounding.
  template <class T>
  bool agree(int64_t count, const std::function<bool(T*)>& library, const std::function<void(T*)>& kernel) {
    const uint64_t state = state_;
    T* const first = filled<T>(count);
    state_ = state;
    T* const second = filled<T>(count);
    if (!library(first)) return false;
    kernel(second);
    return are_near(stream_, first, second, count);
  }

  const bfloat16* x;         // (tokens, cols)
  const bfloat16* wide;      // (tokens, rows)
  const bfloat16* w;         // (rows, cols)
  const bfloat16* residual;  // (tokens, cols)
  const float* bias;         // (rows)

 private:
  const Stream stream_;
  char* block_;
  size_t used_ = 0;
  uint64_t state_ = 1;
};

}  // namespace burgeon::cuda
