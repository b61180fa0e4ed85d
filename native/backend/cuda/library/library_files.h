// Where libraries of NVIDIA's may be that are opened at run time, and how they are.
#pragma once

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace burgeon::cuda {

struct LibraryKind {
  const char* name;                   // "cuBLASLt"
  std::vector<const char*> files;     // the newest first
  std::vector<const char*> packages;  // NVIDIA's Python packages that have it: nvidia/PACKAGE/lib
};

// Names for the loader, in the order in which they are tried: what it knows itself; folders of CUDA_HOME and CUDA_PATH,
// of the usual place; and of NVIDIA's Python packages, in the environment in use (VIRTUAL_ENV, CONDA_PREFIX), beside
// every python3 of PATH and in the user's own packages, where it often is and nowhere else.
std::vector<std::string> library_files(const LibraryKind& kind);

// One function of a library that is open.
template <class Function>
bool find(void* library, const char* symbol, Function* function, std::string* why) {
  *function = reinterpret_cast<Function>(dlsym(library, symbol));
  if (!*function) *why = std::string("it has no ") + symbol;
  return *function != nullptr;
}

// The library at `path`; where that is empty, the first found of library_files(). fill(handle, &library, &why) finds
// its functions. Stays open. Null where there is none: then `why` names what was tried.
template <class Library, class Fill>
const Library* find_library(const LibraryKind& kind, const std::string& path, Fill fill, std::string* why) {
  static std::mutex mutex;
  static std::map<std::string, Library> loaded;  // by path
  const std::lock_guard<std::mutex> lock(mutex);
  const auto known = loaded.find(path);
  if (known != loaded.end()) return &known->second;
  std::string tried;
  for (const std::string& name : path.empty() ? library_files(kind) : std::vector<std::string>{path}) {
    tried += (tried.empty() ? "" : ", ") + name;
    void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) continue;
    Library library{};
    if (fill(handle, &library, why)) return &loaded.emplace(path, library).first->second;
    *why = std::string(kind.name) + " cannot be used: " + name + ": " + *why;
    return nullptr;
  }
  *why = std::string(kind.name) + " was not found (" + tried + ")";
  return nullptr;
}

}  // namespace burgeon::cuda
