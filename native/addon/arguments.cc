#include "addon/arguments.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace burgeon {

namespace {

std::string kind_of(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_null:
      return "null";
    case napi_undefined:
      return "undefined";
    case napi_number:
      return "the number " + value.ToString().Utf8Value();
    case napi_boolean:
      return "a boolean";
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_bigint:
      return "a bigint";
    case napi_function:
      return "a function";
    default:
      if (value.IsTypedArray()) return "another typed array";
      return value.IsArray() ? "an array" : "an object";
  }
}

[[noreturn]] void fail(ErrorCode code, const std::string& name, const std::string& expected, const std::string& came) {
  throw Error(code, name + ": expected " + expected + ", received " + came);
}

// A number for which `accepts` holds.
template <class Accepts>
double read_number_that(const Napi::Value& value, const char* name, const char* expected, Accepts accepts) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!std::isfinite(number) || !accepts(number)) fail(ErrorCode::kConfig, name, expected, kind_of(value));
  return number;
}

}  // namespace

double read_number(const Napi::Value& value, const char* name) {
  return read_number_that(value, name, "a finite number", [](double) { return true; });
}

int64_t read_integer(const Napi::Value& value, const std::string& name, int64_t low, int64_t high) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || number != std::floor(number)) {
    fail(ErrorCode::kConfig, name, "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]",
         kind_of(value));
  }
  return static_cast<int64_t>(number);
}

bool read_boolean(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) fail(ErrorCode::kConfig, name, "a boolean", kind_of(value));
  return value.As<Napi::Boolean>().Value();
}

std::string read_string(const Napi::Value& value, const char* name) {
  if (!value.IsString()) fail(ErrorCode::kConfig, name, "a string", kind_of(value));
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object read_object(const Napi::Value& value, const std::string& name) {
  if (value.Type() != napi_object || value.IsArray() || value.IsTypedArray()) {
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

void* float_array_data(const Napi::Value& value, const char* name, int element_size, int64_t length) {
  const bool is_double = element_size == sizeof(double);
  const std::string expected =
      std::string(is_double ? "a Float64Array" : "a Float32Array") + " of length " + std::to_string(length);
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != (is_double ? napi_float64_array : napi_float32_array)) {
    fail(ErrorCode::kDtype, name, expected, kind_of(value));
  }
  const int64_t came = static_cast<int64_t>(value.As<Napi::TypedArray>().ElementLength());
  if (came != length) fail(ErrorCode::kShape, name, expected, "length " + std::to_string(came));
  // Not through its ArrayBuffer, which a view of shared memory has none of.
  if (is_double) return value.As<Napi::Float64Array>().Data();
  return value.As<Napi::Float32Array>().Data();
}

// Twice the widest model: heads may be wider together than the residual stream.
constexpr int64_t kMaxQueryWidth = 131'072;

ModelConfig read_model_config(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "config");
  // The limits of lib/config/model-config.ts: whatever is accepted here, no size in bytes overflows.
  const auto dimension = [&](const char* name, int64_t most) {
    return read_integer(object.Get(name), std::string("config.") + name, 1, most);
  };
  ModelConfig config{};
  config.n_layer = dimension("nLayer", 1024);
  config.n_head = dimension("nHead", 1024);
  config.n_kv_head = dimension("nKvHead", 1024);
  config.head_size = dimension("headSize", 65'536);
  config.n_embd = dimension("nEmbd", 65'536);
  config.n_inner = dimension("nInner", 1'048'576);
  config.context_length = dimension("contextLength", 1'048'576);
  config.vocab_size = dimension("vocabSize", 16'777'216);
  config.norm_epsilon = read_number(object.Get("normEpsilon"), "config.normEpsilon");
  config.rms_norm = read_boolean(object.Get("rmsNorm"), "config.rmsNorm");
  config.mlp = read_boolean(object.Get("gatedMlp"), "config.gatedMlp") ? MlpKind::kSwiglu : MlpKind::kGelu;
  config.qkv_bias = read_boolean(object.Get("qkvBias"), "config.qkvBias");
  config.attproj_bias = read_boolean(object.Get("attentionOutputBias"), "config.attentionOutputBias");
  config.mlp_bias = read_boolean(object.Get("mlpBias"), "config.mlpBias");
  config.tied_head = read_boolean(object.Get("tiedHead"), "config.tiedHead");
  const std::string optimizer = read_string(object.Get("optimizer"), "config.optimizer");
  if (optimizer != "adamw" && optimizer != "muon") {
    fail(ErrorCode::kConfig, "config.optimizer", "adamw or muon", optimizer);
  }
  config.optimizer = optimizer == "muon" ? Optimizer::kMuon : Optimizer::kAdamW;
  if (config.n_head % config.n_kv_head != 0) {
    fail(ErrorCode::kConfig, "config.nKvHead", "a divisor of nHead = " + std::to_string(config.n_head),
         std::to_string(config.n_kv_head));
  }
  if (config.query_width() > kMaxQueryWidth) {
    fail(ErrorCode::kConfig, "config.headSize", "nHead * headSize of at most " + std::to_string(kMaxQueryWidth),
         std::to_string(config.query_width()));
  }
  const Napi::Value frequencies = object.Get("ropeFrequencies");
  if (!frequencies.IsNull()) {
    const int64_t half = config.head_size / 2;
    if (config.head_size % 2 != 0) {
      fail(ErrorCode::kConfig, "config.headSize", "an even number, for rotary positions",
           std::to_string(config.head_size));
    }
    const float* values =
        static_cast<const float*>(float_array_data(frequencies, "config.ropeFrequencies", sizeof(float), half));
    config.rope_frequencies.assign(values, values + half);
  }
  return config;
}

void read_backend_options(const Napi::Object& object, BackendOptions* options) {
  options->backend = read_string(object.Get("backend"), "backend");
  options->max_isa = read_string(object.Get("maxIsa"), "maxIsa");
  const std::string precision = read_string(object.Get("precision"), "precision");
  if (precision == "bf16") {
    options->precision = Precision::kBfloat16;
  } else if (precision == "float64") {
    options->precision = Precision::kFloat64;
  } else if (precision != "float32") {
    fail(ErrorCode::kConfig, "precision", "float32, bf16 or float64", precision);
  }
  if (options->backend != "cuda") return;
  options->cuda_library = read_string(object.Get("cudaLibrary"), "cudaLibrary");
  options->cuda_device = static_cast<int>(read_integer(object.Get("cudaDevice"), "cudaDevice", 0, 1023));
  options->cublaslt = read_string(object.Get("cublasLt"), "cublasLt");
  options->cuda_plans = read_string(object.Get("cudaPlans"), "cudaPlans");
  options->nccl = read_string(object.Get("nccl"), "nccl");
}

int read_threads(const Napi::Object& object) {
  return static_cast<int>(read_integer(object.Get("threads"), "threads", 1, 1024));
}

ModelOptions read_model_options(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "options");
  ModelOptions options;
  read_backend_options(object, &options);
  options.threads = read_threads(object);
  const Napi::Value graphs = object.Get("graphs");
  if (!graphs.IsUndefined()) options.graphs = read_boolean(graphs, "graphs");
  const Napi::Value batch = object.Get("batchSize");
  if (!batch.IsUndefined()) {
    options.batch = read_integer(batch, "batchSize", 1, kMaxTokens);
    options.sequence = read_integer(object.Get("sequenceLength"), "sequenceLength", 1, kMaxTokens / options.batch);
  }
  const Napi::Value shard = object.Get("shard");
  if (!shard.IsUndefined()) {
    const Napi::Object place = read_object(shard, "shard");
    const int64_t size = read_integer(place.Get("size"), "shard.size", 1, kMostRanks);
    options.shards =
        RowShards(static_cast<int>(read_integer(place.Get("rank"), "shard.rank", 0, size - 1)), static_cast<int>(size));
  }
  const Napi::Value profile = object.Get("profile");
  options.profile = !profile.IsUndefined() && read_boolean(profile, "profile");
  return options;
}

OptimizerStep read_optimizer_step(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "options");
  const auto not_negative = [&](const char* name) {
    return read_number_that(object.Get(name), name, "a number >= 0", [](double number) { return number >= 0; });
  };
  const auto decay = [&](const char* name) {
    return read_number_that(object.Get(name), name, "a number in [0, 1), in float32",
                            [](double number) { return number >= 0 && static_cast<float>(number) < 1; });
  };
  OptimizerStep step{};
  step.learning_rate = not_negative("lr");
  step.beta1 = decay("beta1");
  step.beta2 = decay("beta2");
  step.epsilon = read_number_that(object.Get("epsilon"), "epsilon", "a number > 0, in float32", [](double number) {
    return static_cast<float>(number) >= std::numeric_limits<float>::min();
  });
  step.weight_decay = not_negative("weightDecay");
  step.clip = not_negative("gradientClip");
  step.step = read_integer(object.Get("step"), "optimizerSteps + 1", 1, int64_t{1} << 40);
  step.freeze = read_boolean(object.Get("freeze"), "freeze");
  step.momentum = decay("momentum");
  step.cautious_decay = read_boolean(object.Get("cautiousWeightDecay"), "cautiousWeightDecay");
  return step;
}

Subnetwork read_subnetwork(const Napi::Object& object, const ModelConfig& config, const std::string& name) {
  Subnetwork subnetwork;
  const Napi::Value layers = object.Get("layers");
  if (!layers.IsUndefined()) {
    subnetwork.has_layers = true;
    subnetwork.layers = read_int32_array(layers, name + ".layers", -1);
  }
  const auto read_lists = [&](const char* units, std::vector<std::vector<int32_t>>& lists) {
    const Napi::Value entries = object.Get(units);
    if (entries.IsUndefined()) return;
    const std::string path = name + "." + units;
    if (!entries.IsArray()) {
      fail(ErrorCode::kShape, path, "an array with one Int32Array or undefined per active layer", kind_of(entries));
    }
    const Napi::Array array = entries.As<Napi::Array>();
    const uint32_t length = array.Length();
    if (length == 0 || length > config.n_layer) {
      fail(ErrorCode::kShape, path, "one list per active layer, at most " + std::to_string(config.n_layer),
           std::to_string(length));
    }
    lists.resize(length);
    // By the length read above: a getter may have changed the array's meanwhile.
    for (uint32_t i = 0; i < length; ++i) {
      const Napi::Value entry = array.Get(i);
      if (entry.IsUndefined()) continue;
      const std::string entry_path = path + "[" + std::to_string(i) + "]";
      lists[i] = read_int32_array(entry, entry_path, -1);
      if (lists[i].empty()) fail(ErrorCode::kShape, entry_path, "at least one active unit", "an empty list");
    }
  };
  const auto read_scale = [&](const char* key, std::vector<double>& scale) {
    const Napi::Value value = object.Get(key);
    if (value.IsUndefined()) return;
    const std::string path = name + "." + key;
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
      fail(ErrorCode::kDtype, path, "a Float64Array", kind_of(value));
    }
    const Napi::Float64Array array = value.As<Napi::Float64Array>();
    scale.assign(array.Data(), array.Data() + array.ElementLength());
  };
  read_lists("heads", subnetwork.heads);
  read_lists("queryHeads", subnetwork.query_heads);
  read_lists("neurons", subnetwork.neurons);
  read_scale("layerScale", subnetwork.layer_scale);
  read_scale("headScale", subnetwork.head_scale);
  read_scale("neuronScale", subnetwork.neuron_scale);
  return subnetwork;
}

std::vector<SequenceGroup> read_groups(const Napi::Value& value, int64_t batch, const ModelConfig& config) {
  if (!value.IsArray()) fail(ErrorCode::kShape, "groups", "an array of groups of sequences", kind_of(value));
  const Napi::Array array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  if (length == 0 || length > batch) {
    fail(ErrorCode::kShape, "groups",
         "at least one, and at most one for each of " + std::to_string(batch) + " sequences", std::to_string(length));
  }
  std::vector<SequenceGroup> groups(length, SequenceGroup{0, {}});
  for (uint32_t i = 0; i < length; ++i) {
    const std::string path = "groups[" + std::to_string(i) + "]";
    const Napi::Object object = read_object(array.Get(i), path);
    // Without a number a group is the whole batch, and the caller has named no groups.
    const bool is_whole = length == 1 && !object.Has("sequences");
    if (!is_whole) groups[i].sequences = read_integer(object.Get("sequences"), path + ".sequences", 1, batch);
    groups[i].subnetwork = read_subnetwork(object, config, is_whole ? "subnetwork" : path + ".subnetwork");
  }
  return groups;
}

Extent read_extent(const Napi::Value& value, const ModelConfig& config) {
  const Extent whole = whole_extent(config);
  if (value.IsUndefined()) return whole;
  const Napi::Object object = read_object(value, "part");
  const auto count = [&](const char* key, int64_t most) {
    return read_integer(object.Get(key), std::string("part.") + key, 1, most);
  };
  return {count("layers", whole.layers), count("heads", whole.heads), count("kvHeads", whole.kv_heads),
          count("neurons", whole.neurons)};
}

std::vector<RowCopy> read_row_copies(const Napi::Value& value) {
  if (!value.IsArray()) fail(ErrorCode::kShape, "copies", "an array of copies of rows", kind_of(value));
  const Napi::Array array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  std::vector<RowCopy> copies(length);
  for (uint32_t i = 0; i < length; ++i) {
    const std::string path = "copies[" + std::to_string(i) + "]";
    const Napi::Object object = read_object(array.Get(i), path);
    const auto count = [&](const char* key) { return read_integer(object.Get(key), path + "." + key, 0, 1 << 30); };
    const auto factor = [&](const char* key) { return read_number(object.Get(key), (path + "." + key).c_str()); };
    copies[i] = {static_cast<size_t>(count("to")),
                 count("toRow"),
                 static_cast<size_t>(count("from")),
                 count("fromRow"),
                 count("rows"),
                 factor("weight"),
                 factor("m"),
                 factor("v")};
  }
  return copies;
}

}  // namespace burgeon
