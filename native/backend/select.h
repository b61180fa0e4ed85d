// Chooses the table of ops once, when a model is made.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "core/device.h"

namespace burgeon {

struct Selection {
  std::string backend;  // "cpu", "cuda" or "reference"
  std::string isa;      // "amx", "avx512bf16", "avx512", "avx2", "baseline"; "sm_90" (cuda); "plain" (reference)
  std::string reason;   // one line for people
};

// What the operands of products are rounded to; sums are float at least, and so is everything else in memory but, on
// CUDA devices, activations. kFloat64 is the reference's, kBfloat16 the others'.
enum class Precision { kFloat32, kBfloat16, kFloat64 };

struct BackendOptions {
  std::string backend = "cpu";  // "cpu", "cuda", "reference", or "reference-compact": on gathered operands, for tests
  std::string max_isa = "";     // of the cpu: "" = best, or a name of Selection::isa
  Precision precision = Precision::kFloat32;
  std::string cuda_library = "";  // path
  int cuda_device = 0;
  // Path of cuBLASLt: "" = where it usually is, "off" = not used; and of the file of its plans, "" = none.
  std::string cublaslt = "";
  std::string cuda_plans = "";
};

// The ops of a backend and the device they work on.
template <class T>
struct Backend {
  const Ops<T>* ops;
  std::shared_ptr<Device> device;
};

// T = double has the reference only, T = bfloat16 the CUDA devices. Throws Error(kBackend, kCuda).
template <class T>
Backend<T> select_backend(const BackendOptions& options, Selection* selection);

// The ops of the cpu or the reference alone.
template <class T>
const Ops<T>& select_ops(const std::string& backend, const std::string& max_isa, Precision precision,
                         Selection* selection);

// The table that select_backend would give; no device is needed or opened. Throws as that.
template <class T>
const Ops<T>& find_ops(const BackendOptions& options);

// What memory there is in all, and what has it. Bytes are 0 where CUDA is asked for and there is no device.
struct DeviceMemory {
  size_t bytes;
  std::string name;
};
DeviceMemory device_memory(const BackendOptions& options);

}  // namespace burgeon
