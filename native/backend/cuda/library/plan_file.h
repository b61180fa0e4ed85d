// Which of cuBLASLt's algorithms a product takes, kept in a file so that the same are taken again: a line for each
// device, version of the library and shape. Runs that share it compute the same bits.
#pragma once

#include <map>
#include <string>

#include "backend/cuda/library/cublaslt.h"

namespace burgeon::cuda {

class PlanFile {
 public:
  // Reads the file, if there is one yet. Throws Error(kCuda): not readable, or a line is not a plan.
  PlanFile(const std::string& path, const std::string& device, const std::string& library);

  // In place of an algorithm: that none is to be taken.
  static cublaslt::Algorithm none() { return {}; }
  static bool is_none(const cublaslt::Algorithm& algorithm);

  // Null where the file does not say.
  const cublaslt::Algorithm* find(const std::string& shape) const;
  // Throws Error(kCuda): not writable.
  void add(const std::string& shape, const cublaslt::Algorithm& algorithm);

 private:
  const std::string path_;
  const std::string prefix_;  // device and library
  std::map<std::string, cublaslt::Algorithm> algorithms_;
};

}  // namespace burgeon::cuda
