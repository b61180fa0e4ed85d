// Measurements of single ops for `burgeon bench`.
#pragma once

#include <napi.h>

namespace burgeon {

// benchOp(options): Promise<{ms, flops, bytes, error}>, of one shape whose dimensions are among the options.
Napi::Value bench_op_wrap(const Napi::CallbackInfo& info);

// benchOpInTurn(options, shapes): Promise<those[]>, of several shapes of one op that take turns.
Napi::Value bench_op_in_turn_wrap(const Napi::CallbackInfo& info);

}  // namespace burgeon
