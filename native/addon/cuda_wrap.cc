#include "addon/cuda_wrap.h"

#include <memory>
#include <string>

#include "addon/arguments.h"
#include "addon/js_error.h"
#include "addon/task.h"
#include "backend/cuda/cuda_links.h"
#include "backend/cuda/loader.h"

namespace burgeon {

Napi::Value describe_cuda_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const cuda::Api& api = cuda::load_library(read_string(info[0], "libraryPath"));
    const Napi::Env env = info.Env();
    Napi::Array devices = Napi::Array::New(env);
    for (int i = 0; i < cuda::count_devices(api); ++i) {
      const cuda::ApiDevice found = cuda::describe_device(api, i);
      Napi::Object device = Napi::Object::New(env);
      device.Set("name", found.name);
      device.Set("memoryBytes", Napi::Number::New(env, static_cast<double>(found.memory)));
      device.Set("capability", std::to_string(found.major) + "." + std::to_string(found.minor));
      devices.Set(static_cast<uint32_t>(i), device);
    }
    char products[cuda::kMessageBytes] = "";
    const std::string cublaslt = read_string(info[1], "cublasLt");
    const bool found = api.find_products(cublaslt.c_str(), products);
    Napi::Object result = Napi::Object::New(env);
    result.Set("products", found ? std::string(products) : "own kernels, as " + std::string(products));
    char nccl[cuda::kMessageBytes] = "";
    const bool has_nccl = api.find_nccl(read_string(info[2], "nccl").c_str(), nccl);
    result.Set("nccl", has_nccl ? std::string(nccl) : "the host, as " + std::string(nccl));
    result.Set("toolkit", api.toolkit);
    result.Set("architectures", api.architectures);
    result.Set("devices", devices);
    return result;
  });
}

Napi::Value check_nccl_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const cuda::Api& api = cuda::load_library(read_string(info[0], "libraryPath"));
    const int device = static_cast<int>(read_integer(info[1], "device", 0, 1023));
    const std::string nccl = read_string(info[2], "nccl");
    const size_t bytes = static_cast<size_t>(read_integer(info[3], "bytes", 1, int64_t{1} << 30));
    const auto differing = std::make_shared<int64_t>(0);
    return Task::start(
        info.Env(), Napi::Object::New(info.Env()),
        [=, &api] { *differing = cuda::check_link(api, device, nccl, bytes); },
        [=](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(*differing)); }, [] {});
  });
}

}  // namespace burgeon
