#include "addon/arguments.h"

#include <cmath>

#include "core/error.h"

namespace burgeon {

namespace {

std::string kind_of(const Napi::Value& value) {
  if (value.IsNull()) return "null";
  if (value.IsUndefined()) return "undefined";
  if (value.IsTypedArray()) return "another typed array";
  if (value.IsArray()) return "an array";
  if (value.IsNumber()) return "the number " + value.ToString().Utf8Value();
  if (value.IsString()) return "a string";
  if (value.IsBoolean()) return "a boolean";
  if (value.IsFunction()) return "a function";
  return "an object";
}

[[noreturn]] void fail(ErrorCode code, const std::string& name, const std::string& expected, const std::string& came) {
  throw Error(code, name + ": expected " + expected + ", received " + came);
}

constexpr int64_t kMaxCount = int64_t{1} << 40;
constexpr int64_t kMaxDimension = int64_t{1} << 30;

}  // namespace

double read_number(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) fail(ErrorCode::kConfig, name, "a number", kind_of(value));
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(number)) fail(ErrorCode::kConfig, name, "a finite number", kind_of(value));
  return number;
}

int64_t read_integer(const Napi::Value& value, const std::string& name, int64_t low, int64_t high) {
  const std::string expected = "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]";
  if (!value.IsNumber()) fail(ErrorCode::kConfig, name, expected, kind_of(value));
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || number != std::floor(number)) {
    fail(ErrorCode::kConfig, name, expected, kind_of(value));
  }
  return static_cast<int64_t>(number);
}

bool read_boolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) fail(ErrorCode::kConfig, name, "a boolean", kind_of(value));
  return value.As<Napi::Boolean>().Value();
}

std::string read_string(const Napi::Value& value, const char* name) {
  if (!value.IsString()) fail(ErrorCode::kConfig, name, "a string", kind_of(value));
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object read_object(const Napi::Value& value, const char* name) {
  if (!value.IsObject() || value.IsArray() || value.IsTypedArray()) {
    fail(ErrorCode::kConfig, name, "an object", kind_of(value));
  }
  return value.As<Napi::Object>();
}

std::vector<int32_t> read_int32_array(const Napi::Value& value, const std::string& name, int64_t length) {
  std::string expected = "an Int32Array";
  if (length >= 0) expected += " of length " + std::to_string(length);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    fail(ErrorCode::kDtype, name, expected, kind_of(value));
  }
  const Napi::Int32Array array = value.As<Napi::Int32Array>();
  const int64_t came = static_cast<int64_t>(array.ElementLength());
  if (length >= 0 && came != length) fail(ErrorCode::kShape, name, expected, "length " + std::to_string(came));
  const int32_t* data = array.Data();
  return std::vector<int32_t>(data, data + came);
}

ModelConfig read_model_config(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "config");
  const auto dimension = [&](const char* name) {
    return read_integer(object.Get(name), std::string("config.") + name, 1, kMaxDimension);
  };
  ModelConfig config{};
  config.n_layer = dimension("nLayer");
  config.n_head = dimension("nHead");
  config.n_embd = dimension("nEmbd");
  config.n_inner = dimension("nInner");
  config.context_length = dimension("contextLength");
  config.vocab_size = dimension("vocabSize");
  config.norm_epsilon = read_number(object.Get("layerNormEpsilon"), "config.layerNormEpsilon");
  if (config.n_embd % config.n_head != 0) {
    fail(ErrorCode::kConfig, "config.nHead", "a divisor of nEmbd = " + std::to_string(config.n_embd),
         std::to_string(config.n_head));
  }
  // Sizes are multiplied below; a product beyond any machine must not overflow on the way to the memory check.
  const double C = static_cast<double>(config.n_embd);
  const double elements = C * (static_cast<double>(config.vocab_size) + static_cast<double>(config.context_length)) +
                          static_cast<double>(config.n_layer) * C * (4 * C + 2 * static_cast<double>(config.n_inner));
  if (elements > static_cast<double>(kMaxCount)) {
    throw Error(ErrorCode::kOutOfMemory, "config: a model of " + std::to_string(elements) + " parameters is beyond any machine");
  }
  return config;
}

ModelOptions read_model_options(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "options");
  ModelOptions options;
  options.backend = read_string(object.Get("backend"), "options.backend");
  options.max_isa = read_string(object.Get("maxIsa"), "options.maxIsa");
  options.double_precision = read_boolean(object.Get("doublePrecision"), "options.doublePrecision");
  options.threads = static_cast<int>(read_integer(object.Get("threads"), "options.threads", 1, 1024));
  return options;
}

OptimizerStep read_optimizer_step(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "options");
  OptimizerStep step{};
  step.learning_rate = read_number(object.Get("learningRate"), "learningRate");
  step.beta1 = read_number(object.Get("beta1"), "beta1");
  step.beta2 = read_number(object.Get("beta2"), "beta2");
  step.epsilon = read_number(object.Get("epsilon"), "epsilon");
  step.weight_decay = read_number(object.Get("weightDecay"), "weightDecay");
  step.clip = read_number(object.Get("gradientClip"), "gradientClip");
  step.step = read_integer(object.Get("step"), "step", 1, kMaxCount);
  step.freeze = read_boolean(object.Get("freeze"), "freeze");
  return step;
}

Subnetwork read_subnetwork(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "subnetwork");
  Subnetwork subnetwork;
  const Napi::Value layers = object.Get("layers");
  if (!layers.IsUndefined()) {
    subnetwork.has_layers = true;
    subnetwork.layers = read_int32_array(layers, "subnetwork.layers", -1);
  }
  const auto read_lists = [&](const char* name, std::vector<std::vector<int32_t>>& lists) {
    const Napi::Value entries = object.Get(name);
    if (entries.IsUndefined()) return;
    const std::string path = std::string("subnetwork.") + name;
    if (!entries.IsArray()) fail(ErrorCode::kShape, path, "an array with one Int32Array or undefined per active layer", kind_of(entries));
    const Napi::Array array = entries.As<Napi::Array>();
    lists.resize(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const Napi::Value entry = array.Get(i);
      if (entry.IsUndefined()) continue;
      const std::string entry_path = path + "[" + std::to_string(i) + "]";
      lists[i] = read_int32_array(entry, entry_path, -1);
      if (lists[i].empty()) fail(ErrorCode::kShape, entry_path, "at least one active unit", "an empty list");
    }
    if (lists.empty()) fail(ErrorCode::kShape, path, "one list per active layer", "an empty array");
  };
  read_lists("heads", subnetwork.heads);
  read_lists("neurons", subnetwork.neurons);
  return subnetwork;
}

}  // namespace burgeon
