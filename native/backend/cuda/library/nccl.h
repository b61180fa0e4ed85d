// NCCL's interface, as much of it as is used, in declarations of our own: the library is opened at run time, and
// neither it nor its header is needed to build. Names and numbers are from docs.nvidia.com/deeplearning/nccl; npm run
// check:cuda compares them with NVIDIA's nccl.h where there is one.
#pragma once

#include <cstddef>
#include <string>

#include "backend/cuda/library/library_files.h"
#include "kernels/cuda/stream.h"

namespace burgeon::cuda::nccl {

enum Result : int {
  kSuccess = 0,
  kSystemError = 2,
  kInvalidArgument = 4,
  kInvalidUsage = 5,
  kRemoteError = 6,
  kInProgress = 7,
};
enum DataType : int { kInt8 = 0 };

struct UniqueId {
  char bytes[128];
};

// As of version 2.14, the first that has it. Newer ones take it as such by its version.
struct Config {
  size_t size = sizeof(Config);
  unsigned int magic = 0xcafebeef;
  unsigned int version = 21400;
  int blocking = 0;
};

using Comm = struct CommOpaque*;

struct Library {
  Result (*get_version)(int*);
  const char* (*get_error_string)(Result);
  const char* (*get_last_error)(Comm);
  Result (*get_unique_id)(UniqueId*);
  Result (*comm_init)(Comm*, int size, UniqueId, int rank, Config*);
  Result (*comm_abort)(Comm);
  Result (*comm_get_async_error)(Comm, Result*);
  Result (*send)(const void*, size_t count, DataType, int peer, Comm, Stream);
  Result (*recv)(void*, size_t count, DataType, int peer, Comm, Stream);
  Result (*group_start)();
  Result (*group_end)();

  int version;       // 23007
  std::string name;  // "NCCL 2.30.7"
};

const LibraryKind& kind();

// As find_library().
const Library* load(const std::string& path, std::string* why);

}  // namespace burgeon::cuda::nccl
