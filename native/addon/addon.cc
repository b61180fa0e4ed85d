// What the addon exports: the package version it was built from, the best instruction set of this machine, the model
// class, what connects ranks, what there is of CUDA, measurements of the machine and of single ops, and byte pair
// encoding. Several threads of one process may each load it; nothing here is global.
#include <napi.h>

#include "addon/bench_wrap.h"
#include "addon/communicator_wrap.h"
#include "addon/cuda_wrap.h"
#include "addon/machine_wrap.h"
#include "addon/model_wrap.h"
#include "addon/tokenizer_wrap.h"
#include "backend/cpu/isa.h"
#include "core/system.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  burgeon::system::stay_loaded();
  exports.Set("version", BURGEON_VERSION);
  exports.Set("bestIsa", burgeon::best_isa());
  exports.Set("NativeCommunicator", burgeon::CommunicatorWrap::define(env));
  exports.Set("NativeModel", burgeon::ModelWrap::define(env));
  exports.Set("planMemory", Napi::Function::New(env, burgeon::plan_memory_wrap, "planMemory"));
  exports.Set("measurePeak", Napi::Function::New(env, burgeon::measure_peak_wrap, "measurePeak"));
  exports.Set("describeCuda", Napi::Function::New(env, burgeon::describe_cuda_wrap, "describeCuda"));
  exports.Set("checkNccl", Napi::Function::New(env, burgeon::check_nccl_wrap, "checkNccl"));
  exports.Set("benchOp", Napi::Function::New(env, burgeon::bench_op_wrap, "benchOp"));
  exports.Set("benchOpInTurn", Napi::Function::New(env, burgeon::bench_op_in_turn_wrap, "benchOpInTurn"));
  exports.Set("checkOp", Napi::Function::New(env, burgeon::check_op_wrap, "checkOp"));
  exports.Set("benchCopy", Napi::Function::New(env, burgeon::bench_copy_wrap, "benchCopy"));
  exports.Set("NativeBytePairEncoder", burgeon::BytePairEncoderWrap::define(env));
  exports.Set("NativeBytePairTrainer", burgeon::BytePairTrainerWrap::define(env));
  exports.Set("unicodeClasses", Napi::Function::New(env, burgeon::unicode_classes_wrap, "unicodeClasses"));
  return exports;
}

}  // namespace

NODE_API_MODULE(burgeon, initialise)
