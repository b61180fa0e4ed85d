// Links between devices by the NCCL of the CUDA library.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/cuda/api.h"
#include "core/device.h"

namespace burgeon::cuda {

// What find_nccl() of the library says is there; zero where there is nothing. `nccl` as in Api::open_link. Throws
// Error(kCuda) where a library is named that cannot be used.
LinkAddress link_address(const Api& api, const ApiDevice& device, const std::string& nccl);

// All ranks call it, with link addresses that go together. Throws as DeviceLinks.
std::unique_ptr<DeviceLinks> link(const Api& api, Queue* queue, const std::string& nccl, Communicator& ranks);

// Sends `bytes` from a device to itself over links of one rank; how many of them came back as something else. Throws
// Error(kCuda).
int64_t check_link(const Api& api, int device, const std::string& nccl, size_t bytes);

}  // namespace burgeon::cuda
