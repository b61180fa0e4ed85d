// What launches are ordered by: a CUDA stream, named without CUDA's headers. In the host implementation of kernels it
// is a schedule (kernels/cuda/host/device.h).
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;
struct CUevent_st;

namespace burgeon::cuda {

using Stream = CUstream_st*;
using Event = CUevent_st*;  // a point in a stream, likewise

// Kernels that the calling thread has launched.
int64_t& launch_count();

// Device memory that describes parts (ops/cuda_kernels.h); a copy of so much to the device returns before it is done.
constexpr size_t kTableBytes = 64 * 1024;

}  // namespace burgeon::cuda
