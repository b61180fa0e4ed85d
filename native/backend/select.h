// Chooses the table of ops once, when a model is made.
#pragma once

#include <string>

#include "backend/backend.h"

namespace burgeon {

struct Selection {
  std::string backend;  // "cpu" or "reference"
  std::string isa;      // "avx512", "avx2", "baseline" or "plain" (reference)
  std::string reason;   // one line for people
};

// backend: "cpu" or "reference". max_isa: "" (best there is), "avx512", "avx2" or "baseline".
// T = double has the reference only. Throws Error(kBackend).
template <class T>
const Ops<T>& select_ops(const std::string& backend, const std::string& max_isa, Selection* selection);

}  // namespace burgeon
