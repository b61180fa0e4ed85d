// The part of cuBLASLt's interface that is used, loaded at run time: nothing of it is needed to build, and none is
// bundled. Names and numbers are NVIDIA's (cublasLt.h, 13.1), under C++ names; scripts/check-cuda.mjs compares them
// with the header where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "backend/cuda/library/library_files.h"
#include "kernels/cuda/stream.h"

namespace burgeon::cuda::cublaslt {

using Status = int;  // 0: success
constexpr Status kInvalidValue = 7;
constexpr Status kArchitectureMismatch = 8;
constexpr Status kInternalError = 14;
constexpr Status kNotSupported = 15;

enum DataType : int { kFloat32 = 0, kBfloat16 = 14 };
enum ComputeType : int { kCompute32F = 68 };
enum Operation : int { kAsIs = 0, kTransposed = 1 };
enum DescAttribute : int {
  kTransposeA = 3,
  kTransposeB = 4,
  kEpilogue = 7,
  kBiasPointer = 8,
  kAuxPointer = 11,
  kAuxStride = 12,
};
enum PreferenceAttribute : int {
  kMaxWorkspaceBytes = 1,
  kReductionSchemes = 3,
  kMinAlignmentA = 5,
  kMinAlignmentB = 6,
  kMinAlignmentC = 7,
  kMinAlignmentD = 8,
};
enum Epilogue : uint32_t {
  kNoEpilogue = 1,
  kBias = 4,
  kGeluAux = 32 | 128,
  kGeluAuxBias = kGeluAux | kBias,
  kGeluSlope = 64 | 128,
  kBiasGradientB = 512,  // the rows of B added up, into a vector of D's type
};
// Where the sums of a split product are added up. In the output itself is a third way.
constexpr uint32_t kReduceInComputeType = 2;
constexpr uint32_t kReduceInOutputType = 4;

struct Algorithm {
  uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};

using Handle = struct HandleOpaque*;
using Desc = struct DescOpaque*;
using Layout = struct LayoutOpaque*;
using Preference = struct PreferenceOpaque*;

struct Library {
  Status (*create)(Handle*);
  Status (*destroy)(Handle);
  size_t (*get_version)();
  const char* (*get_status_string)(Status);
  Status (*desc_create)(Desc*, ComputeType, DataType scale_type);
  Status (*desc_destroy)(Desc);
  Status (*desc_set)(Desc, DescAttribute, const void* value, size_t bytes);
  Status (*layout_create)(Layout*, DataType, uint64_t rows, uint64_t cols, int64_t stride);
  Status (*layout_destroy)(Layout);
  Status (*preference_create)(Preference*);
  Status (*preference_destroy)(Preference);
  Status (*preference_set)(Preference, PreferenceAttribute, const void* value, size_t bytes);
  Status (*get_heuristic)(Handle, Desc, Layout a, Layout b, Layout c, Layout d, Preference, int wanted,
                          HeuristicResult* results, int* found);
  Status (*check_algorithm)(Handle, Desc, Layout a, Layout b, Layout c, Layout d, const Algorithm*, HeuristicResult*);
  Status (*matmul)(Handle, Desc, const void* alpha, const void* a, Layout, const void* b, Layout, const void* beta,
                   const void* c, Layout, void* d, Layout, const Algorithm*, void* workspace, size_t workspace_bytes,
                   Stream);

  std::string name;  // "cuBLASLt 13.1.1"
};

const LibraryKind& kind();

// As find_library().
const Library* load(const std::string& path, std::string* why);

}  // namespace burgeon::cuda::cublaslt
