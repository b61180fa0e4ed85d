// Measurements and checks of single ops for `burgeon bench` and `burgeon selfcheck`.
#pragma once

#include <napi.h>

namespace burgeon {

// benchOp(options): Promise<{ms, flops, bytes, error}>, of one shape whose dimensions are among the options.
Napi::Value bench_op_wrap(const Napi::CallbackInfo& info);

// benchOpInTurn(options, shapes): Promise<those[]>, of several shapes of one op that take turns.
Napi::Value bench_op_in_turn_wrap(const Napi::CallbackInfo& info);

// checkOp(options): Promise<{largest, norm}>, how far one shape's results are from the reference; nothing is timed.
Napi::Value check_op_wrap(const Napi::CallbackInfo& info);

// benchCopy(options): Promise<number[]>, milliseconds of copies within a device's memory.
Napi::Value bench_copy_wrap(const Napi::CallbackInfo& info);

}  // namespace burgeon
