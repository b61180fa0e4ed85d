#include "backend/cuda/library/cublaslt.h"

namespace burgeon::cuda::cublaslt {

namespace {

constexpr size_t kOldestVersion = 120000;

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

const LibraryKind& kind() {
  static const LibraryKind kind{"cuBLASLt", {"libcublasLt.so.13", "libcublasLt.so.12"}, {"cu13", "cublas", "cu12"}};
  return kind;
}

const Library* load(const std::string& path, std::string* why) {
  return find_library<Library>(kind(), path, fill, why);
}

}  // namespace burgeon::cuda::cublaslt
