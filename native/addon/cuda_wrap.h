// What there is of CUDA on this machine, for `doctor` and for choosing a device.
#pragma once

#include <napi.h>

namespace burgeon {

// describeCuda(libraryPath, cublasLt, nccl): NativeCuda of lib/addon/binding.ts.
// Throws ERR_BURGEON_CUDA where no device can be used, and says why.
Napi::Value describe_cuda_wrap(const Napi::CallbackInfo& info);

// checkNccl(libraryPath, device, nccl, bytes): a promise of how many came back as something else.
Napi::Value check_nccl_wrap(const Napi::CallbackInfo& info);

}  // namespace burgeon
