// Tensor maps are made by the driver, whose function is looked up when it is wanted: the library is not linked with it.
#include <cuda.h>

#include <cstring>

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

namespace {

static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) % alignof(CUtensorMap) == 0, "one layout");

using Encode = decltype(&cuTensorMapEncodeTiled);

Encode find_encode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &result),
        "cuTensorMapEncodeTiled");
#else
  check(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &result),
        "cuTensorMapEncodeTiled");
#endif
  if (result != cudaDriverEntryPointSuccess || !function) {
    throw Error(ErrorCode::kCuda, "CUDA: the driver has no cuTensorMapEncodeTiled; it must be of CUDA 12 or newer");
  }
  return reinterpret_cast<Encode>(function);
}

}  // namespace

TensorMap tensor_map(const bfloat16* data, const TensorShape& shape, int box_rows) {
  static const Encode encode = find_encode();
  const auto row_bytes = static_cast<cuuint64_t>(shape.row_stride) * sizeof(bfloat16);
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(shape.columns), static_cast<cuuint64_t>(shape.rows),
                              static_cast<cuuint64_t>(shape.batches)};
  const cuuint64_t strides[] = {
      row_bytes, shape.batches > 1 ? static_cast<cuuint64_t>(shape.batch_stride) * sizeof(bfloat16) : row_bytes};
  const cuuint32_t box[] = {kTileColumns, static_cast<cuuint32_t>(box_rows), 1};
  const cuuint32_t steps[] = {1, 1, 1};
  CUtensorMap map;
  const CUresult status = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<bfloat16*>(data), sizes, strides,
                                 box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) {
    throw Error(ErrorCode::kCuda, "CUDA: cuTensorMapEncodeTiled failed with " + std::to_string(status));
  }
  TensorMap result;
  std::memcpy(&result, &map, sizeof(result));
  return result;
}

}  // namespace burgeon::cuda
