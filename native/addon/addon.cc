// What the addon exports: the package version it was built from, the best instruction set of this machine, the model
// class and measurements of the machine and of single ops. Several threads of one process may each load it; nothing
// here is global.
#include <napi.h>

#include "addon/bench_wrap.h"
#include "addon/machine_wrap.h"
#include "addon/model_wrap.h"
#include "backend/cpu/isa.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("version", BURGEON_VERSION);
  exports.Set("bestIsa", burgeon::best_isa());
  exports.Set("NativeModel", burgeon::ModelWrap::define(env));
  exports.Set("measurePeak", Napi::Function::New(env, burgeon::measure_peak_wrap, "measurePeak"));
  exports.Set("benchOp", Napi::Function::New(env, burgeon::bench_op_wrap, "benchOp"));
  exports.Set("benchOpInTurn", Napi::Function::New(env, burgeon::bench_op_in_turn_wrap, "benchOpInTurn"));
  return exports;
}

}  // namespace

NODE_API_MODULE(burgeon, initialise)
