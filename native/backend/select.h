// Chooses the table of ops once, when a model is made.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "core/device.h"

namespace burgeon {

struct Selection {
  std::string backend;  // "cpu" or "reference"
  std::string isa;      // "avx512bf16", "avx512", "avx2", "baseline" or "plain" (reference)
  std::string reason;   // one line for people
};

// What the operands of products are rounded to; everything else is T in memory and in sums. kBfloat16 needs T = float.
enum class Precision { kFloat32, kBfloat16, kFloat64 };

// The ops of a backend and the device they work on.
template <class T>
struct Backend {
  const Ops<T>* ops;
  std::shared_ptr<Device> device;
};

// backend: "cpu" or "reference". max_isa: "" (best there is) or a name of Selection::isa.
// T = double has the reference only, bfloat16 the cpu only. Throws Error(kBackend).
template <class T>
const Ops<T>& select_ops(const std::string& backend, const std::string& max_isa, Precision precision,
                         Selection* selection);

// Also "reference-compact": the reference with gathered operands, as the CUDA backend has them, for tests.
template <class T>
Backend<T> select_backend(const std::string& backend, const std::string& max_isa, Precision precision,
                          Selection* selection);

}  // namespace burgeon
