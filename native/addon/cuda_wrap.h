// What there is of CUDA on this machine, for `doctor` and for choosing a device.
#pragma once

#include <napi.h>

namespace burgeon {

// describeCuda(libraryPath): { toolkit, architectures, devices: [{ name, memoryBytes, capability }] }.
// Throws ERR_BURGEON_CUDA where no device can be used, and says why.
Napi::Value describe_cuda_wrap(const Napi::CallbackInfo& info);

}  // namespace burgeon
