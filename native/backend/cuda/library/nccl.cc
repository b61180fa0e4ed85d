#include "backend/cuda/library/nccl.h"

namespace burgeon::cuda::nccl {

namespace {

constexpr int kOldestVersion = 21400;  // has communicators that do not block

bool fill(void* handle, Library* library, std::string* why) {
  Library& l = *library;
  if (!find(handle, "ncclGetVersion", &l.get_version, why)) return false;
  if (l.get_version(&l.version) != kSuccess) {
    *why = "it does not tell its version";
    return false;
  }
  const std::string number = std::to_string(l.version / 10000) + "." + std::to_string(l.version / 100 % 100) + "." +
                             std::to_string(l.version % 100);
  l.name = "NCCL " + number;
  if (l.version < kOldestVersion) {
    *why = "it is older than version 2.14, which is needed";
    return false;
  }
  return find(handle, "ncclGetErrorString", &l.get_error_string, why) &&
         find(handle, "ncclGetLastError", &l.get_last_error, why) &&
         find(handle, "ncclGetUniqueId", &l.get_unique_id, why) &&
         find(handle, "ncclCommInitRankConfig", &l.comm_init, why) &&
         find(handle, "ncclCommAbort", &l.comm_abort, why) &&
         find(handle, "ncclCommGetAsyncError", &l.comm_get_async_error, why) &&
         find(handle, "ncclSend", &l.send, why) && find(handle, "ncclRecv", &l.recv, why) &&
         find(handle, "ncclGroupStart", &l.group_start, why) && find(handle, "ncclGroupEnd", &l.group_end, why);
}

}  // namespace

const LibraryKind& kind() {
  static const LibraryKind kind{"NCCL", {"libnccl.so.2"}, {"nccl"}};
  return kind;
}

const Library* load(const std::string& path, std::string* why) {
  return find_library<Library>(kind(), path, fill, why);
}

}  // namespace burgeon::cuda::nccl
