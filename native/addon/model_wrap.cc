#include "addon/model_wrap.h"

#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/js_error.h"
#include "addon/task.h"

namespace burgeon {

namespace {

constexpr int64_t kMaxDimension = int64_t{1} << 30;

// One batch with its own copy of everything the caller passed, so that arrays may be reused at once.
struct Request {
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;
  std::optional<Subnetwork> subnetwork;
  Batch batch{};

  // Arguments: tokens, targets | null, batchSize, sequenceLength, subnetwork | null, layerScale.
  explicit Request(const Napi::CallbackInfo& info) {
    batch.batch = read_integer(info[2], "batchSize", 1, kMaxDimension);
    batch.sequence = read_integer(info[3], "sequenceLength", 1, kMaxDimension);
    const int64_t count = batch.batch * batch.sequence;
    tokens = read_int32_array(info[0], "tokens", count);
    if (!info[1].IsNull()) targets = read_int32_array(info[1], "targets", count);
    if (!info[4].IsNull()) subnetwork = read_subnetwork(info[4]);
    batch.layer_scale = read_number(info[5], "layerScale");
    batch.tokens = tokens.data();
    batch.targets = info[1].IsNull() ? nullptr : targets.data();
    batch.subnetwork = subnetwork ? &*subnetwork : nullptr;
  }
};

Napi::Object work_object(Napi::Env env, const Work& work) {
  // Two FLOPs per multiply-add.
  const auto flops = [&](int64_t multiply_adds) { return Napi::Number::New(env, 2.0 * static_cast<double>(multiply_adds)); };
  Napi::Object object = Napi::Object::New(env);
  object.Set("qkv", flops(work.qkv));
  object.Set("scores", flops(work.scores));
  object.Set("outProjection", flops(work.out_projection));
  object.Set("mlp", flops(work.mlp));
  object.Set("head", flops(work.head));
  return object;
}

Napi::Object result_object(Napi::Env env, const StepResult& result, double ms) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", Napi::Number::New(env, result.loss));
  object.Set("forwardFlops", work_object(env, result.forward));
  object.Set("backwardFlops", work_object(env, result.backward));
  object.Set("ms", Napi::Number::New(env, ms));
  return object;
}

double elapsed_ms(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// An array of the model's element type over a buffer.
Napi::Value typed_array(Napi::Env env, int element_size, Napi::ArrayBuffer buffer) {
  const size_t count = buffer.ByteLength() / static_cast<size_t>(element_size);
  if (element_size == sizeof(double)) return Napi::Float64Array::New(env, count, buffer, 0);
  return Napi::Float32Array::New(env, count, buffer, 0);
}

Role read_role(const Napi::Value& value) { return static_cast<Role>(read_integer(value, "role", 0, 3)); }

}  // namespace

Napi::Function ModelWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {InstanceMethod<&ModelWrap::forward>("forward"),
                      InstanceMethod<&ModelWrap::forward_backward>("forwardBackward"),
                      InstanceMethod<&ModelWrap::optimizer_step>("optimizerStep"),
                      InstanceMethod<&ModelWrap::clear_gradients>("clearGradients"),
                      InstanceMethod<&ModelWrap::read>("read"), InstanceMethod<&ModelWrap::write>("write"),
                      InstanceMethod<&ModelWrap::tensors>("tensors"),
                      InstanceMethod<&ModelWrap::plan_bytes>("planBytes"),
                      InstanceMethod<&ModelWrap::info>("info"), InstanceMethod<&ModelWrap::dispose>("dispose")});
}

ModelWrap::ModelWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelWrap>(info) {
  translate_errors(info.Env(), [&] {
    model_ = Model::create(read_model_config(info[0]), read_model_options(info[1]));
    report_memory(info.Env(), static_cast<int64_t>(model_->parameter_bytes()));
  });
}

ModelWrap::~ModelWrap() { report_memory(Env(), 0); }

void ModelWrap::report_memory(Napi::Env env, int64_t bytes) {
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes - reported_bytes_);
  reported_bytes_ = bytes;
}

Model& ModelWrap::ready() const {
  if (!model_) throw Error(ErrorCode::kDisposed, "model: used after dispose()");
  if (busy_) {
    throw Error(ErrorCode::kBusy, "model: a call is still running; await its promise before the next call");
  }
  return *model_;
}

Napi::Value ModelWrap::run(const Napi::CallbackInfo& info, std::function<void()> work,
                           std::function<Napi::Value(Napi::Env)> result) {
  busy_ = true;
  return Task::start(info.Env(), info.This().As<Napi::Object>(), std::move(work), std::move(result),
                     [this] { busy_ = false; });
}

Napi::Value ModelWrap::forward(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    Model& ready_model = ready();
    auto request = std::make_shared<Request>(info);
    const Logits which = static_cast<Logits>(read_integer(info[6], "logits", 0, 2));
    const int64_t rows = which == Logits::kAll    ? request->batch.batch * request->batch.sequence
                         : which == Logits::kLast ? request->batch.batch
                                                  : 0;
    const int element_size = ready_model.element_size();
    // The worker writes into the buffer that JavaScript will receive; nobody else can see it before.
    auto buffer = std::make_shared<Napi::Reference<Napi::ArrayBuffer>>();
    void* logits = nullptr;
    if (rows > 0) {
      Napi::ArrayBuffer array = Napi::ArrayBuffer::New(
          info.Env(), static_cast<size_t>(rows * ready_model.config().vocab_size * element_size));
      logits = array.Data();
      *buffer = Napi::Persistent(array);
    }
    auto result = std::make_shared<StepResult>();
    auto ms = std::make_shared<double>(0);
    return run(
        info,
        [model = model_, request, which, logits, result, ms] {
          const auto start = std::chrono::steady_clock::now();
          *result = model->forward(request->batch, which, logits);
          *ms = elapsed_ms(start);
        },
        [=](Napi::Env env) -> Napi::Value {
          Napi::Object object = result_object(env, *result, *ms);
          if (!buffer->IsEmpty()) object.Set("logits", typed_array(env, element_size, buffer->Value()));
          return object;
        });
  });
}

Napi::Value ModelWrap::forward_backward(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    ready();
    auto request = std::make_shared<Request>(info);
    const double weight = read_number(info[6], "weight");
    auto result = std::make_shared<StepResult>();
    auto ms = std::make_shared<double>(0);
    return run(
        info,
        [model = model_, request, weight, result, ms] {
          const auto start = std::chrono::steady_clock::now();
          *result = model->forward_backward(request->batch, weight);
          *ms = elapsed_ms(start);
        },
        [=](Napi::Env env) -> Napi::Value {
          if (model_) report_memory(env, static_cast<int64_t>(model_->parameter_bytes() + model_->activation_bytes()));
          return result_object(env, *result, *ms);
        });
  });
}

Napi::Value ModelWrap::optimizer_step(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    ready();
    const OptimizerStep step = read_optimizer_step(info[0]);
    auto norm = std::make_shared<double>(0);
    auto ms = std::make_shared<double>(0);
    return run(
        info,
        [model = model_, step, norm, ms] {
          const auto start = std::chrono::steady_clock::now();
          *norm = model->optimizer_step(step);
          *ms = elapsed_ms(start);
        },
        [=](Napi::Env env) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("gradientNorm", Napi::Number::New(env, *norm));
          object.Set("ms", Napi::Number::New(env, *ms));
          return object;
        });
  });
}

Napi::Value ModelWrap::clear_gradients(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    ready().clear_gradients();
    return info.Env().Undefined();
  });
}

Napi::Value ModelWrap::read(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const Model& model = ready();
    const Role role = read_role(info[0]);
    const auto index = static_cast<size_t>(
        read_integer(info[1], "tensor", 0, static_cast<int64_t>(model.tensors().size()) - 1));
    const size_t bytes = static_cast<size_t>(model.tensors()[index].size() * model.element_size());
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(info.Env(), bytes);
    model.read(role, index, buffer.Data());
    return typed_array(info.Env(), model.element_size(), buffer);
  });
}

Napi::Value ModelWrap::write(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    Model& model = ready();
    const Role role = read_role(info[0]);
    const auto index = static_cast<size_t>(
        read_integer(info[1], "tensor", 0, static_cast<int64_t>(model.tensors().size()) - 1));
    const auto type = model.element_size() == sizeof(double) ? napi_float64_array : napi_float32_array;
    const char* type_name = model.element_size() == sizeof(double) ? "a Float64Array" : "a Float32Array";
    if (!info[2].IsTypedArray() || info[2].As<Napi::TypedArray>().TypedArrayType() != type) {
      throw Error(ErrorCode::kDtype, std::string("data: expected ") + type_name);
    }
    const Napi::TypedArray array = info[2].As<Napi::TypedArray>();
    const int64_t expected = model.tensors()[index].size();
    if (static_cast<int64_t>(array.ElementLength()) != expected) {
      throw Error(ErrorCode::kShape, "data: expected " + std::to_string(expected) + " elements, received " +
                                         std::to_string(array.ElementLength()));
    }
    model.write(role, index, static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset());
    return info.Env().Undefined();
  });
}

Napi::Value ModelWrap::tensors(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const auto& tensors = ready().tensors();
    Napi::Array array = Napi::Array::New(info.Env(), tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      Napi::Object object = Napi::Object::New(info.Env());
      object.Set("name", tensors[i].name);
      object.Set("layer", Napi::Number::New(info.Env(), static_cast<double>(tensors[i].layer)));
      object.Set("rows", Napi::Number::New(info.Env(), static_cast<double>(tensors[i].rows)));
      object.Set("cols", Napi::Number::New(info.Env(), static_cast<double>(tensors[i].cols)));
      array.Set(static_cast<uint32_t>(i), object);
    }
    return array;
  });
}

Napi::Value ModelWrap::plan_bytes(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const Model& model = ready();
    const size_t bytes = model.plan_bytes(read_integer(info[0], "batchSize", 1, kMaxDimension),
                                          read_integer(info[1], "sequenceLength", 1, kMaxDimension),
                                          read_boolean(info[2], "gradients"));
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
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
    object.Set("precision", model_->element_size() == sizeof(double) ? "float64" : "float32");
    object.Set("parameterBytes", Napi::Number::New(info.Env(), static_cast<double>(model_->parameter_bytes())));
    object.Set("activationBytes",
               Napi::Number::New(info.Env(), busy_ ? 0 : static_cast<double>(model_->activation_bytes())));
    return object;
  });
}

Napi::Value ModelWrap::dispose(const Napi::CallbackInfo& info) {
  // Work in flight holds its own reference and ends undisturbed; its memory is freed then.
  model_.reset();
  report_memory(info.Env(), 0);
  return info.Env().Undefined();
}

}  // namespace burgeon
