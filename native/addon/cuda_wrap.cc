#include "addon/cuda_wrap.h"

#include <string>

#include "addon/arguments.h"
#include "addon/js_error.h"
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
    result.Set("toolkit", api.toolkit);
    result.Set("architectures", api.architectures);
    result.Set("devices", devices);
    return result;
  });
}

}  // namespace burgeon
