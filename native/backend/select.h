// Chooses the table of ops once, when a model is made.
#pragma once

#include <string>

#include "backend/backend.h"

namespace burgeon {

struct Selection {
  std::string backend;  // "cpu" or "reference"
  std::string isa;      // "avx512bf16", "avx512", "avx2", "baseline" or "plain" (reference)
  std::string reason;   // one line for people
};

// What the operands of products are rounded to; everything else is T in memory and in sums. kBfloat16 needs T = float.
enum class Precision { kFloat32, kBfloat16, kFloat64 };

// backend: "cpu" or "reference". max_isa: "" (best there is) or a name of Selection::isa.
// T = double has the reference only, bfloat16 the cpu only. Throws Error(kBackend).
template <class T>
const Ops<T>& select_ops(const std::string& backend, const std::string& max_isa, Precision precision,
                         Selection* selection);

}  // namespace burgeon
