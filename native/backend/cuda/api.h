// The line between the addon and the CUDA library: one C function, which gives a table of functions and the tables of
// ops. Nothing here throws. Both sides are built from one version of the package, which the table tells; what crosses
// beyond plain C is structures of pointers and numbers, whose sizes it tells too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/backend.h"
#include "core/bfloat16.h"
#include "core/communicator.h"

namespace burgeon::cuda {

struct Graph;
struct Link;
struct Queue;

constexpr int kApiVersion = 6;
constexpr size_t kMessageBytes = 512;
constexpr size_t kLinkIdBytes = 128;

struct ApiDevice {
  char name[256];
  size_t memory;  // bytes in all
  int major;      // of the compute capability
  int minor;
  uint64_t id;  // of this one alone, on any machine
};

// Functions that can fail return whether they did not; then `message` (kMessageBytes) says why.
struct Api {
  int version;
  size_t layout;
  const char* package;        // the version of the package
  const char* toolkit;        // "CUDA 13.0"
  const char* architectures;  // "sm_80 sm_90a compute_80"

  // Number of devices; 0 with the reason in `message`.
  int (*count_devices)(char* message);
  bool (*describe)(int device, ApiDevice* description, char* message);
  // A queue on a device; null where it failed. `cublaslt`: path of the library, empty for where it usually is, or
  // "off"; `plans`: file of its plans, or empty (library_products.h).
  Queue* (*open)(int device, const char* cublaslt, const char* plans, char* message);
  void (*close)(Queue* queue);
  // What computes its products of bfloat16, for people; as long as the queue lives.
  const char* (*products)(const Queue* queue);
  // The same without a queue: whether cuBLASLt would be used, and which or why not in `message`.
  bool (*find_products)(const char* cublaslt, char* message);

  void* (*allocate)(Queue* queue, size_t bytes);  // zeroed; null when refused
  void (*release)(Queue* queue, void* block);
  bool (*write)(Queue* queue, void* to, const void* from, size_t bytes, char* message);
  bool (*read)(Queue* queue, void* to, const void* from, size_t bytes, char* message);
  bool (*clear)(Queue* queue, void* at, size_t bytes, char* message);
  bool (*copy)(Queue* queue, void* to, const void* from, size_t bytes, char* message);

  // As Device's.
  bool (*mark)(Queue* queue, int64_t* mark, char* message);
  void (*keep_marks)(Queue* queue, int64_t count);
  bool (*milliseconds)(Queue* queue, int64_t from, int64_t to, double* ms, char* message);

  bool (*has_passed)(Queue* queue, int64_t mark, bool* passed, char* message);

  // NCCL, between the memories of several devices (library/nccl_link.h). `nccl`: path of the library, empty for where
  // it usually is, or "off". Whether it would be used, and which or why not in `message`.
  bool (*find_nccl)(const char* nccl, char* message);
  bool (*make_link_id)(const char* nccl, char* id, char* message);  // kLinkIdBytes, for one rank to tell all
  // As NcclLink's; null where it failed. What fails here leaves the queue as it is. The queue must outlive the link.
  Link* (*open_link)(Queue* queue, const char* nccl, const char* id, int rank, int size, char* message);
  void (*close_link)(Link* link);
  bool (*exchange)(Link* link, const Message* messages, size_t count, char* message);
  bool (*is_ready)(Link* link, bool* ready, char* message);

  int64_t (*launches)();  // kernels that the calling thread has queued

  bool (*begin_recording)(Queue* queue, char* message);
  Graph* (*end_recording)(Queue* queue, char* message);  // null where it failed
  bool (*replay)(Queue* queue, Graph* graph, char* message);
  void (*release_graph)(Queue* queue, Graph* graph);

  const Ops<float>* float_ops;
  const Ops<bfloat16>* bfloat16_ops;
};

// Changes with the size of what crosses.
constexpr size_t kApiLayout = sizeof(Api) + 1000 * sizeof(Ops<float>) + 1000000 * sizeof(OpContext);

}  // namespace burgeon::cuda

// Null where the library does not speak this version.
extern "C" const burgeon::cuda::Api* burgeon_cuda_get_api(int version);
