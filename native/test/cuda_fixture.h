// What the tests of CUDA kernels share. The kernels run on the host (kernels/cuda/host/), each call under several
// schedules, whose results must be equal bit for bit; operands of either element type are described by floats.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "kernels/cuda/device.cuh"
#include "ops/cuda_kernels.h"
#include "test/op_fixture.h"

namespace burgeon::test {

enum class Element { kFloat, kBfloat16 };

template <class T>
constexpr Element element_of = sizeof(T) == 4 ? Element::kFloat : Element::kBfloat16;

// The largest relative error of one rounding to T.
template <class T>
constexpr double rounding_of = sizeof(T) == 4 ? kRounding : 1.0 / (1 << 8);

// As T would hold them.
Floats rounded(const Floats& values, Element element);
template <class T>
Floats rounded(const Floats& values) {
  return rounded(values, element_of<T>);
}

// Device memory: from an address that is a multiple of 256 as a device has it, between bytes that must not change;
// sanitized builds leave these out, so that AddressSanitizer sees stray reads too.
class Memory {
 public:
  Memory(const Floats& values, Element element);
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(begin_);
  }
  Floats values() const;
  bool intact() const;
  bool same_bits(const Memory& other) const;
  bool same_bits(const Memory& other, size_t index) const;

 private:
  size_t element_bytes() const { return element_ == Element::kFloat ? 4 : 2; }

  Element element_;
  size_t count_;
  std::unique_ptr<char, void (*)(void*)> block_{nullptr, std::free};
  char* begin_;
};

template <class T>
Memory memory(const Floats& values) {
  return Memory(values, element_of<T>);
}

// For tests of what device.cuh defines: one block of a kernel, under a schedule.
constexpr int kSeeds = 20;
template <class... Parameters, class... Arguments>
void run(uint64_t seed, int threads, size_t shared_bytes, void (*kernel)(Parameters...), Arguments... arguments) {
  CUstream_st stream{seed};
  cuda::launch(&stream, {1}, threads, shared_bytes, kernel, arguments...);
}

// The message of the error that a launch ends with under any of the seeds; empty where there is none.
template <class... Parameters, class... Arguments>
std::string error_of(int threads, size_t shared_bytes, void (*kernel)(Parameters...), Arguments... arguments) {
  std::string message;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    try {
      run(seed, threads, shared_bytes, kernel, arguments...);
    } catch (const Error& error) {
      message = error.what();
    }
  }
  return message;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Scratch of exactly so many bytes, all NaN.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : memory_(poison(static_cast<int64_t>((bytes + 3) / 4)), Element::kFloat) {}
  void* data() { return memory_.as<void>(); }
  bool intact() const { return memory_.intact(); }

 private:
  Memory memory_;
};

// While there is one, the device is of compute capability 9.0.
class Sm90 {
 public:
  Sm90() { setenv("BURGEON_CUDA_HOST_CAPABILITY", "9.0", 1); }
  ~Sm90() { unsetenv("BURGEON_CUDA_HOST_CAPABILITY"); }
  Sm90(const Sm90&) = delete;
  Sm90& operator=(const Sm90&) = delete;
};

// While there is one, attention backward takes so many passes where it can (ops/attention/attention_passes.h).
class PassesOf {
 public:
  explicit PassesOf(const char* passes) { setenv("BURGEON_ATTENTION_PASSES", passes, 1); }
  ~PassesOf() { unsetenv("BURGEON_ATTENTION_PASSES"); }
  PassesOf(const PassesOf&) = delete;
  PassesOf& operator=(const PassesOf&) = delete;
};

// A path where there is nothing yet, for one test.
class TemporaryFile {
 public:
  TemporaryFile() {
    const int file = mkstemp(path_);
    if (file >= 0) close(file);
    unlink(path_);
  }
  ~TemporaryFile() { unlink(path_); }
  const char* path() const { return path_; }
  std::string text() const {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

 private:
  char path_[32] = "/tmp/burgeon-plans-XXXXXX";
};

// For launches on many parts.
class PartTable {
 public:
  void* data() { return memory_.data(); }

 private:
  Scratch memory_{cuda::kTableBytes};
};

// An output of a kernel: what it holds before, as which type.
struct Output {
  Floats initial;
  Element element;
};
template <class T>
Output output(Floats initial) {
  return {rounded<T>(initial), element_of<T>};
}

// Runs call(stream, out) under several schedules and compares with what is expected; an expected NaN says that the
// element keeps its bits.
void check_kernel(const std::vector<Doubles>& expected, const std::vector<Output>& outputs,
                  const std::function<void(cuda::Stream, std::vector<Memory>&)>& call, const Tolerance& tolerance);

// call(T{}) for both types of activations.
template <class Call>
void for_both_types(Call call) {
  {
    const Note note("float");
    call(float{});
  }
  {
    const Note note("bfloat16");
    call(bfloat16{});
  }
}

}  // namespace burgeon::test
