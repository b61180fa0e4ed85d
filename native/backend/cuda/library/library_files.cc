#include "backend/cuda/library/library_files.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace burgeon::cuda {

namespace {

namespace fs = std::filesystem;

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Folders that hold a Python's lib/.
std::vector<fs::path> python_prefixes() {
  std::vector<fs::path> prefixes;
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (!setting(variable).empty()) prefixes.emplace_back(setting(variable));
  }
  std::istringstream folders(setting("PATH"));
  std::error_code ignored;
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (!folder.empty() && fs::exists(fs::path(folder) / "python3", ignored)) {
      prefixes.push_back(fs::path(folder).parent_path());
    }
  }
  if (!setting("HOME").empty()) prefixes.push_back(fs::path(setting("HOME")) / ".local");
  return prefixes;
}

// The folders of NVIDIA's packages below lib/python3.N/.
std::vector<fs::path> package_folders(const fs::path& prefix, const std::vector<const char*>& names) {
  std::vector<fs::path> folders;
  std::error_code failed;
  for (const fs::directory_entry& python : fs::directory_iterator(prefix / "lib", failed)) {
    if (python.path().filename().string().rfind("python3", 0) != 0) continue;
    for (const char* packages : {"site-packages", "dist-packages"}) {
      for (const char* name : names) {
        const fs::path folder = python.path() / packages / "nvidia" / name / "lib";
        if (fs::is_directory(folder, failed)) folders.push_back(folder);
      }
    }
  }
  return folders;
}

}  // namespace

std::vector<std::string> library_files(const LibraryKind& kind) {
  std::vector<std::string> files(kind.files.begin(), kind.files.end());
  std::vector<fs::path> folders;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    if (!setting(variable).empty()) folders.push_back(fs::path(setting(variable)) / "lib64");
  }
  folders.emplace_back("/usr/local/cuda/lib64");
  for (const fs::path& prefix : python_prefixes()) {
    for (const fs::path& folder : package_folders(prefix, kind.packages)) folders.push_back(folder);
  }
  for (const fs::path& folder : folders) {
    for (const char* name : kind.files) files.push_back((folder / name).string());
  }
  return files;
}

}  // namespace burgeon::cuda
