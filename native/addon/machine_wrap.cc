#include "addon/machine_wrap.h"

#include <memory>

#include "addon/arguments.h"
#include "addon/task.h"
#include "backend/peak.h"

namespace burgeon {

Napi::Value measure_peak_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const int threads = static_cast<int>(read_integer(info[0], "threads", 1, 1024));
    const std::string max_isa = read_string(info[1], "maxIsa");
    auto peak = std::make_shared<Peak>();
    return Task::start(
        info.Env(), Napi::Object::New(info.Env()), [=] { *peak = measure_peak(threads, max_isa); },
        [=](Napi::Env env) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("flopsPerSecond", Napi::Number::New(env, peak->flops_per_second));
          object.Set("bf16FlopsPerSecond", Napi::Number::New(env, peak->bf16_flops_per_second));
          object.Set("bytesPerSecond", Napi::Number::New(env, peak->bytes_per_second));
          object.Set("processorShare", Napi::Number::New(env, peak->processor_share));
          return object;
        },
        [] {});
  });
}

}  // namespace burgeon
