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

// Of activations, and of the operands of products; sums are float at least, and so is everything else in memory but, on
// CUDA devices, weights as products read them and the residual stream. kFloat64 is the reference's, kBfloat16 the
// others'.
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
  std::string nccl = "";  // path of NCCL, as cublaslt
};

// The ops of a backend and the device they work on.
template <class T, class W = T>
struct Backend {
  const Ops<T, W>* ops;
  std::shared_ptr<Device> device;
};

// Calls body(T{}, W{}) with the types of activations and of weights that a backend has at the precision.
template <class Body>
auto with_types(const BackendOptions& options, Body body) {
  switch (options.precision) {
    case Precision::kFloat64:
      return body(double{}, double{});
    case Precision::kBfloat16:
      return options.backend == "cuda" ? body(bfloat16{}, bfloat16{}) : body(bfloat16{}, float{});
    default:
      return body(float{}, float{});
  }
}

// Throws Error(kBackend) naming the op that is missing.
template <class T, class W>
void require_every_op(const Ops<T, W>& ops);

// T and W as with_types gives them. Throws Error(kBackend, kCuda).
template <class T, class W>
Backend<T, W> select_backend(const BackendOptions& options, Selection* selection);

// The ops of the cpu or the reference alone.
template <class T, class W = T>
const Ops<T, W>& select_ops(const std::string& backend, const std::string& max_isa, Selection* selection);

// The table that select_backend would give; no device is needed or opened. Throws as that.
template <class T, class W>
const Ops<T, W>& find_ops(const BackendOptions& options);

// What memory there is in all, and what has it. Bytes are 0 where CUDA is asked for and there is no device.
struct DeviceMemory {
  size_t bytes;
  std::string name;
};
DeviceMemory device_memory(const BackendOptions& options);

}  // namespace burgeon
