// Facts about the machine for `doctor` and for the peak that throughput is measured against.
#pragma once

#include <napi.h>

namespace burgeon {

// measurePeak(threads, maxIsa): Promise<{flopsPerSecond, bf16FlopsPerSecond, bytesPerSecond}>
Napi::Value measure_peak_wrap(const Napi::CallbackInfo& info);

}  // namespace burgeon
