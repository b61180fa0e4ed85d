// Opens the CUDA library at run time and makes its devices usable: the addon is the same with and without CUDA.
#pragma once

#include <memory>
#include <string>

#include "backend/cuda/api.h"
#include "core/device.h"

namespace burgeon::cuda {

// The library at a path; stays open. Throws Error(kCuda): not there, not loadable, not of this version.
const Api& load_library(const std::string& path);

// At least 1. Throws Error(kCuda) that says why there is no device.
int count_devices(const Api& api);

// Throws Error(kCuda): no such device, too old.
ApiDevice describe_device(const Api& api, int index);

// Device `index` with a stream of its own. Throws Error(kCuda): no such device, too old, in a bad state.
// `cublaslt` and `plans` as in Api::open, `nccl` as in Api::open_link.
std::shared_ptr<Device> open_device(const Api& api, int index, const std::string& cublaslt = "",
                                    const std::string& plans = "", const std::string& nccl = "");

}  // namespace burgeon::cuda
