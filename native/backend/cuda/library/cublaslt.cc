#include "backend/cuda/library/cublaslt.h"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <vector>

#include "backend/cuda/library/library_files.h"

namespace burgeon::cuda::cublaslt {

namespace {

constexpr size_t kOldestVersion = 120000;

template <class Function>
bool find(void* library, const char* symbol, Function* function, std::string* why) {
  *function = reinterpret_cast<Function>(dlsym(library, symbol));
  if (!*function) *why = std::string("it has no ") + symbol;
  return *function != nullptr;
}

bool fill(void* handle, Library* library, std::string* why) {
  Library& l = *library;
  const bool complete = find(handle, "cublasLtCreate", &l.create, why) &&
                        find(handle, "cublasLtDestroy", &l.destroy, why) &&
                        find(handle, "cublasLtGetVersion", &l.get_version, why) &&
                        find(handle, "cublasLtGetStatusString", &l.get_status_string, why) &&
                        find(handle, "cublasLtMatmulDescCreate", &l.desc_create, why) &&
                        find(handle, "cublasLtMatmulDescDestroy", &l.desc_destroy, why) &&
                        find(handle, "cublasLtMatmulDescSetAttribute", &l.desc_set, why) &&
                        find(handle, "cublasLtMatrixLayoutCreate", &l.layout_create, why) &&
                        find(handle, "cublasLtMatrixLayoutDestroy", &l.layout_destroy, why) &&
                        find(handle, "cublasLtMatmulPreferenceCreate", &l.preference_create, why) &&
                        find(handle, "cublasLtMatmulPreferenceDestroy", &l.preference_destroy, why) &&
                        find(handle, "cublasLtMatmulPreferenceSetAttribute", &l.preference_set, why) &&
                        find(handle, "cublasLtMatmulAlgoGetHeuristic", &l.get_heuristic, why) &&
                        find(handle, "cublasLtMatmulAlgoCheck", &l.check_algorithm, why) &&
                        find(handle, "cublasLtMatmul", &l.matmul, why);
  if (!complete) return false;
  const size_t version = l.get_version();
  const std::string number =
      std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
  l.name = "cuBLASLt " + number;
  if (version >= kOldestVersion) return true;
  *why = "version " + number + " is too old, 12 is needed";
  return false;
}

}  // namespace

const Library* load(const std::string& path, std::string* why) {
  static std::mutex mutex;
  static std::map<std::string, Library> loaded;  // by path
  const std::lock_guard<std::mutex> lock(mutex);
  const auto known = loaded.find(path);
  if (known != loaded.end()) return &known->second;
  std::string tried;
  for (const std::string& name : path.empty() ? library_files() : std::vector<std::string>{path}) {
    tried += (tried.empty() ? "" : ", ") + name;
    void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) continue;
    Library library{};
    if (fill(handle, &library, why)) return &loaded.emplace(path, library).first->second;
    *why = "cuBLASLt cannot be used: " + name + ": " + *why;
    return nullptr;
  }
  *why = "cuBLASLt was not found (" + tried + ")";
  return nullptr;
}

}  // namespace burgeon::cuda::cublaslt
