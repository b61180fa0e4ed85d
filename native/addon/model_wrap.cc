#include "addon/model_wrap.h"

#include <chrono>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/js_error.h"
#include "addon/step_message.h"
#include "addon/task.h"

namespace burgeon {

namespace {

// JavaScript's constructors of arrays, as they were when the addon was loaded: what takes their place later could give
// out an array that somebody shrinks while a worker writes into it.
struct ArrayTypes {
  Napi::FunctionReference float32;
  Napi::FunctionReference float64;
};

// A new array of the model's element type. Made by its JavaScript constructor, which throws where memory is short or
// the length too great; Node-API's own functions end the process then.
Napi::Object new_array(Napi::Env env, const char* name, int element_size, int64_t length) {
  const bool is_double = element_size == sizeof(double);
  const char* type = is_double ? "Float64Array" : "Float32Array";
  const ArrayTypes& types = *env.GetInstanceData<ArrayTypes>();
  try {
    return (is_double ? types.float64 : types.float32).New({Napi::Number::New(env, static_cast<double>(length))});
  } catch (const Napi::Error& error) {
    throw Error(ErrorCode::kOutOfMemory, std::string(name) + ": a " + type + " of length " + std::to_string(length) +
                                             " was refused (" + error.Message() + ")");
  }
}

size_t read_tensor_index(const Napi::Value& value, const Model& model) {
  return static_cast<size_t>(read_integer(value, "tensor", 0, static_cast<int64_t>(model.tensors().size()) - 1));
}

struct RowRange {
  int64_t first;
  int64_t count;
};

RowRange read_row_range(const Napi::Value& first, const Napi::Value& count, const Tensor& tensor) {
  const int64_t row = read_integer(first, "firstRow", 0, tensor.rows - 1);
  return {row, read_integer(count, "rows", 1, tensor.rows - row)};
}

// Which units the rows of a tensor are (lib/addon/binding.ts).
const char* sampled_name(Sampled sampled) {
  switch (sampled) {
    case Sampled::kNever:
      return "never";
    case Sampled::kByLayer:
      return "layer";
    case Sampled::kQkvRows:
      return "qkv";
    case Sampled::kHeadRows:
      return "heads";
    default:
      return "neurons";
  }
}

Role read_role(const Napi::Value& value) { return static_cast<Role>(read_integer(value, "role", 0, 3)); }

}  // namespace

Napi::Function ModelWrap::define(Napi::Env env) {
  const auto constructor = [&](const char* type) {
    return Napi::Persistent(env.Global().Get(type).As<Napi::Function>());
  };
  env.SetInstanceData(new ArrayTypes{constructor("Float32Array"), constructor("Float64Array")});
  return DefineClass(env, "NativeModel",
                     {InstanceMethod<&ModelWrap::forward>("forward"),
                      InstanceMethod<&ModelWrap::forward_backward>("forwardBackward"),
                      InstanceMethod<&ModelWrap::accumulate>("accumulate"),
                      InstanceMethod<&ModelWrap::take_losses>("takeLosses"),
                      InstanceMethod<&ModelWrap::fold_gradients>("foldGradients"),
                      InstanceMethod<&ModelWrap::exchange_gradients>("exchangeGradients"),
                      InstanceMethod<&ModelWrap::broadcast_state>("broadcastState"),
                      InstanceMethod<&ModelWrap::gather_weights>("gatherWeights"),
                      InstanceMethod<&ModelWrap::gather_rows>("gatherRows"),
                      InstanceMethod<&ModelWrap::scatter_rows>("scatterRows"),
                      InstanceMethod<&ModelWrap::extend>("extend"),
                      InstanceMethod<&ModelWrap::optimizer_step>("optimizerStep"),
                      InstanceMethod<&ModelWrap::clear_gradients>("clearGradients"),
                      InstanceMethod<&ModelWrap::copy_rows>("copyRows"),
                      InstanceMethod<&ModelWrap::read>("read"),
                      InstanceMethod<&ModelWrap::write>("write"),
                      InstanceMethod<&ModelWrap::tensors>("tensors"),
                      InstanceMethod<&ModelWrap::plan_bytes>("planBytes"),
                      InstanceMethod<&ModelWrap::take_profile>("takeProfile"),
                      InstanceMethod<&ModelWrap::info>("info"),
                      InstanceMethod<&ModelWrap::dispose>("dispose")});
}

ModelWrap::ModelWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelWrap>(info) {
  translate_errors(info.Env(), [&] {
    model_ = Model::create(read_model_config(info[0]), read_model_options(info[1]));
    report_memory();
  });
}

ModelWrap::~ModelWrap() {
  model_.reset();
  report_memory();
}

void ModelWrap::report_memory() {
  const auto bytes = model_ ? static_cast<int64_t>(model_->parameter_bytes() + model_->activation_bytes()) : 0;
  Napi::MemoryManagement::AdjustExternalMemory(Env(), bytes - reported_bytes_);
  reported_bytes_ = bytes;
}

std::shared_ptr<Model> ModelWrap::ready() const {
  if (!model_) throw Error(ErrorCode::kDisposed, "model: used after dispose()");
  if (busy_) {
    throw Error(ErrorCode::kBusy, "model: a call is still running; await its promise before the next call");
  }
  return model_;
}

Napi::Value ModelWrap::run(const Napi::CallbackInfo& info, std::function<void()> work,
                           std::function<Napi::Value(Napi::Env)> result) {
  const Napi::Promise promise =
      Task::start(info.Env(), info.This().As<Napi::Object>(), std::move(work), std::move(result), [this] {
        busy_ = false;
        report_memory();
      });
  busy_ = true;
  return promise;
}

Napi::Value ModelWrap::forward(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const Napi::Object batch = read_object(info[0], "batch");
    const auto request = std::make_shared<Request>(batch, model->config(), false);
    const Logits which = static_cast<Logits>(read_integer(info[1], "logits", 0, 2));
    const int64_t rows = which == Logits::kAll    ? request->batch.batch * request->batch.sequence
                         : which == Logits::kLast ? request->batch.batch
                                                  : 0;
    // The worker writes into the array that JavaScript will receive; nobody else can see it before.
    const auto array = std::make_shared<Napi::ObjectReference>();
    void* logits = nullptr;
    if (rows > 0) {
      const int64_t length = rows * model->config().vocab_size;
      *array = Napi::Persistent(new_array(info.Env(), "logits", model->element_size(), length));
      logits = float_array_data(array->Value(), "logits", model->element_size(), length);
    }
    ready();
    const auto result = std::make_shared<StepResult>();
    const auto ms = std::make_shared<double>(0);
    return run(
        info,
        [=] {
          const auto start = std::chrono::steady_clock::now();
          *result = model->forward(request->batch, which, logits);
          *ms = elapsed_ms(start);
        },
        [=](Napi::Env env) -> Napi::Value {
          Napi::Object object = result_object(env, *result, *ms);
          if (!array->IsEmpty()) object.Set("logits", array->Value());
          return object;
        });
  });
}

Napi::Value ModelWrap::extend(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const auto request = std::make_shared<Request>(read_object(info[0], "batch"), model->config(), false);
    const int64_t past = read_integer(info[1], "past", 0, kMaxTokens);
    const int64_t capacity = read_integer(info[2], "capacity", 1, kMaxTokens);
    const int64_t length = request->batch.batch * model->config().vocab_size;
    const auto array = std::make_shared<Napi::ObjectReference>(
        Napi::Persistent(new_array(info.Env(), "logits", model->element_size(), length)));
    void* logits = float_array_data(array->Value(), "logits", model->element_size(), length);
    ready();
    return run(
        info, [=] { model->extend(request->batch, past, capacity, logits); },
        [=](Napi::Env) -> Napi::Value { return array->Value(); });
  });
}

Napi::Value ModelWrap::read(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const Role role = read_role(info[0]);
    const size_t index = read_tensor_index(info[1], *model);
    const RowRange range = read_row_range(info[2], info[3], model->tensors()[index]);
    const int64_t length = range.count * model->tensors()[index].cols;
    const Napi::Object array = new_array(info.Env(), "tensor", model->element_size(), length);
    model->read(role, index, range.first, range.count,
                float_array_data(array, "tensor", model->element_size(), length));
    return array;
  });
}

Napi::Value ModelWrap::write(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const Role role = read_role(info[0]);
    const size_t index = read_tensor_index(info[1], *model);
    const RowRange range = read_row_range(info[2], info[3], model->tensors()[index]);
    const int64_t length = range.count * model->tensors()[index].cols;
    model->write(role, index, range.first, range.count,
                 float_array_data(info[4], "data", model->element_size(), length));
    return info.Env().Undefined();
  });
}

// Of the moments, m or v. A worker fills the array that JavaScript receives; nobody else can see it before.
Napi::Value ModelWrap::move_rows(const Napi::CallbackInfo& info, bool gathers) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const Role role = static_cast<Role>(read_integer(info[1], "role", 2, 3));
    const size_t index = read_tensor_index(info[2], *model);
    const RowRange range = read_row_range(info[3], info[4], model->tensors()[index]);
    const int64_t length = range.count * model->tensors()[index].cols;
    const auto array = std::make_shared<Napi::ObjectReference>(
        Napi::Persistent(new_array(info.Env(), "tensor", model->element_size(), length)));
    void* const data = float_array_data(array->Value(), "tensor", model->element_size(), length);
    if (!gathers && !info[5].IsUndefined()) {
      std::memcpy(data, float_array_data(info[5], "data", model->element_size(), length),
                  static_cast<size_t>(length) * static_cast<size_t>(model->element_size()));
    }
    const auto call = gathers ? &Model::gather_rows : &Model::scatter_rows;
    return run_with_ranks(
        info, info[0],
        [=](Model& each, Communicator& ranks) { (each.*call)(ranks, role, index, range.first, range.count, data); },
        [=](Napi::Env) -> Napi::Value { return array->Value(); });
  });
}

Napi::Value ModelWrap::gather_rows(const Napi::CallbackInfo& info) { return move_rows(info, true); }

Napi::Value ModelWrap::scatter_rows(const Napi::CallbackInfo& info) { return move_rows(info, false); }

Napi::Value ModelWrap::tensors(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const auto& tensors = model->tensors();
    Napi::Array array = Napi::Array::New(info.Env(), tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      Napi::Object object = Napi::Object::New(info.Env());
      object.Set("name", tensors[i].name);
      object.Set("layer", Napi::Number::New(info.Env(), static_cast<double>(tensors[i].layer)));
      object.Set("rows", Napi::Number::New(info.Env(), static_cast<double>(tensors[i].rows)));
      object.Set("cols", Napi::Number::New(info.Env(), static_cast<double>(tensors[i].cols)));
      object.Set("sampled", sampled_name(tensors[i].sampled));
      array.Set(static_cast<uint32_t>(i), object);
    }
    return array;
  });
}

Napi::Value ModelWrap::plan_bytes(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    int64_t batch = 0;
    int64_t sequence = 0;
    read_shape(info[0], info[1], &batch, &sequence);
    const size_t bytes = ready()->plan_bytes(batch, sequence, read_boolean(info[2], "gradients"));
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  });
}

Napi::Value plan_memory_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const ModelConfig config = read_model_config(info[0]);
    const ModelOptions options = read_model_options(info[1]);
    int64_t batch = 0;
    int64_t sequence = 0;
    read_shape(info[2], info[3], &batch, &sequence);
    const MemoryPlan plan = Model::plan(config, options, batch, sequence, read_extent(info[4], config));
    const DeviceMemory memory = device_memory(options);
    Napi::Object object = Napi::Object::New(info.Env());
    const auto set = [&](const char* name, size_t bytes) {
      object.Set(name, Napi::Number::New(info.Env(), static_cast<double>(bytes)));
    };
    set("weights", plan.weights);
    set("gradients", plan.gradients);
    set("moments", plan.moments);
    set("slots", plan.slots);
    set("activations", plan.activations);
    set("scratch", plan.scratch);
    set("total", plan.total());
    set("capacity", memory.bytes);
    object.Set("deviceName", memory.name);
    return object;
  });
}

Napi::Value ModelWrap::take_profile(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    // Times are given relative to now, so that no clock needs to be shared. Ops of a device may come after it.
    const int64_t now =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count();
    const std::vector<OpEvent> events = ready()->take_profile();
    const auto number = [&](int64_t value) { return Napi::Number::New(info.Env(), static_cast<double>(value)); };
    Napi::Array array = Napi::Array::New(info.Env(), events.size());
    for (size_t i = 0; i < events.size(); ++i) {
      const OpEvent& event = events[i];
      Napi::Object object = Napi::Object::New(info.Env());
      object.Set("op", timed_op_names()[static_cast<size_t>(event.op)]);
      object.Set("agoNs", number(now - event.start_ns));
      object.Set("durationNs", number(event.duration_ns));
      object.Set("flops", number(2 * event.multiply_adds));
      Napi::Array sizes = Napi::Array::New(info.Env(), event.sizes.size());
      for (size_t j = 0; j < event.sizes.size(); ++j) sizes.Set(static_cast<uint32_t>(j), number(event.sizes[j]));
      object.Set("sizes", sizes);
      array.Set(static_cast<uint32_t>(i), object);
    }
    return array;
  });
}

Napi::Value ModelWrap::info(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    if (!model_) throw Error(ErrorCode::kDisposed, "model: used after dispose()");
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("backend", model_->selection().backend);
    object.Set("isa", model_->selection().isa);
    object.Set("reason", model_->selection().reason);
    object.Set("threads", Napi::Number::New(info.Env(), model_->threads()));
    const Precision precision = model_->precision();
    object.Set("precision", precision == Precision::kFloat64    ? "float64"
                            : precision == Precision::kBfloat16 ? "bf16"
                                                                : "float32");
    object.Set("parameterBytes", Napi::Number::New(info.Env(), static_cast<double>(model_->parameter_bytes())));
    object.Set("activationBytes",
               Napi::Number::New(info.Env(), busy_ ? 0 : static_cast<double>(model_->activation_bytes())));
    object.Set("links", busy_ ? "" : model_->links());
    return object;
  });
}

Napi::Value ModelWrap::dispose(const Napi::CallbackInfo& info) {
  // Work in flight holds its own reference and ends undisturbed; its memory is freed then.
  model_.reset();
  report_memory();
  return info.Env().Undefined();
}

}  // namespace burgeon
