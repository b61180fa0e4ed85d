#include "backend/cuda/library/plan_file.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "core/error.h"

namespace burgeon::cuda {

namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kCuda, "BURGEON_CUDA_PLANS: " + path + " " + what);
}

std::string hexadecimal(const cublaslt::Algorithm& algorithm) {
  std::string text;
  for (const uint64_t word : algorithm.data) {
    char digits[17];
    std::snprintf(digits, sizeof(digits), "%016" PRIx64, word);
    text += digits;
  }
  return text;
}

bool parse(const std::string& text, cublaslt::Algorithm* algorithm) {
  if (text.size() != 16 * std::size(algorithm->data)) return false;
  if (text.find_first_not_of("0123456789abcdef") != std::string::npos) return false;
  for (size_t i = 0; i < std::size(algorithm->data); ++i) {
    algorithm->data[i] = std::strtoull(text.substr(16 * i, 16).c_str(), nullptr, 16);
  }
  return true;
}

}  // namespace

PlanFile::PlanFile(const std::string& path, const std::string& device, const std::string& library)
    : path_(path), prefix_(device + "\t" + library + "\t") {
  std::ifstream file(path);
  if (!file) {
    std::ofstream created(path, std::ios::app);
    if (!created) fail(path, "cannot be read or written");
    return;
  }
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const size_t end = line.rfind('\t');
    cublaslt::Algorithm algorithm;
    if (end == std::string::npos || !parse(line.substr(end + 1), &algorithm)) {
      fail(path, "is no file of plans: line " + std::to_string(number) + " does not end with an algorithm; remove it");
    }
    if (line.compare(0, prefix_.size(), prefix_) != 0) continue;  // of another device or library
    algorithms_[line.substr(prefix_.size(), end - prefix_.size())] = algorithm;
  }
}

bool PlanFile::is_none(const cublaslt::Algorithm& algorithm) {
  return std::all_of(std::begin(algorithm.data), std::end(algorithm.data), [](uint64_t word) { return word == 0; });
}

const cublaslt::Algorithm* PlanFile::find(const std::string& shape) const {
  const auto found = algorithms_.find(shape);
  return found == algorithms_.end() ? nullptr : &found->second;
}

void PlanFile::add(const std::string& shape, const cublaslt::Algorithm& algorithm) {
  algorithms_[shape] = algorithm;
  std::ofstream file(path_, std::ios::app);
  file << prefix_ + shape + "\t" + hexadecimal(algorithm) + "\n" << std::flush;
  if (!file) fail(path_, "cannot be written");
}

}  // namespace burgeon::cuda
