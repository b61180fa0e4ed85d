// The methods of a model that train it.
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "addon/arguments.h"
#include "addon/communicator_wrap.h"
#include "addon/js_error.h"
#include "addon/model_wrap.h"
#include "addon/step_message.h"
#include "addon/task.h"

namespace burgeon {

Napi::Value ModelWrap::forward_backward(const Napi::CallbackInfo& info) {
  return train(info, &Model::forward_backward);
}

Napi::Value ModelWrap::accumulate(const Napi::CallbackInfo& info) { return train(info, &Model::accumulate); }

Napi::Value ModelWrap::train(const Napi::CallbackInfo& info, StepResult (Model::*call)(const MicroBatch&, double)) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const Napi::Object batch = read_object(info[0], "batch");
    const auto request = std::make_shared<Request>(batch, model->config(), true);
    const double weight = read_number(info[1], "weight");
    ready();
    const auto result = std::make_shared<StepResult>();
    const auto ms = std::make_shared<double>(0);
    return run(
        info,
        [=] {
          const auto start = std::chrono::steady_clock::now();
          *result = ((*model).*call)(request->batch, weight);
          *ms = elapsed_ms(start);
        },
        [=](Napi::Env env) -> Napi::Value { return result_object(env, *result, *ms); });
  });
}

Napi::Value ModelWrap::take_losses(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const auto losses = std::make_shared<std::vector<double>>();
    return run(
        info, [=] { *losses = model->take_losses(); },
        [=](Napi::Env env) -> Napi::Value { return numbers_array(env, *losses); });
  });
}

Napi::Value ModelWrap::fold_gradients(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const int64_t merges = read_integer(info[0], "merges", 0, 64);
    const bool keeps = read_boolean(info[1], "keeps");
    const std::shared_ptr<Model> model = ready();
    return run(
        info, [=] { model->fold_gradients(merges, keeps); },
        [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
  });
}

Napi::Value ModelWrap::run_with_ranks(const Napi::CallbackInfo& info, const Napi::Value& value,
                                      std::function<void(Model&, Communicator&)> work,
                                      std::function<Napi::Value(Napi::Env)> result) {
  CommunicatorWrap& wrap = CommunicatorWrap::from(value);
  const std::shared_ptr<Communicator> ranks = wrap.ready();
  const std::shared_ptr<Model> model = ready();
  const auto held = std::make_shared<Napi::ObjectReference>(Napi::Persistent(value.As<Napi::Object>()));
  const Napi::Promise promise = Task::start(
      info.Env(), info.This().As<Napi::Object>(), [=] { work(*model, *ranks); }, std::move(result),
      [this, held, &wrap] {
        busy_ = false;
        wrap.finish();
        held->Reset();
        report_memory();
      });
  busy_ = true;
  wrap.begin();
  return promise;
}

Napi::Value ModelWrap::exchange_gradients(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const Napi::Value ranks = info[0];
    CommunicatorWrap::from(ranks);  // is looked at first
    const int64_t micro_batches = read_integer(info[1], "microBatches", 1, int64_t{1} << 31);
    return run_with_ranks(info, ranks, [=](Model& model, Communicator& communicator) {
      model.exchange_gradients(communicator, micro_batches);
    });
  });
}

Napi::Value ModelWrap::broadcast_state(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    return run_with_ranks(info, info[0], [](Model& model, Communicator& ranks) { model.broadcast_state(ranks); });
  });
}

Napi::Value ModelWrap::gather_weights(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    return run_with_ranks(info, info[0], [](Model& model, Communicator& ranks) { model.gather_weights(ranks); });
  });
}

Napi::Value ModelWrap::optimizer_step(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const OptimizerStep step = read_optimizer_step(info[0]);
    const auto trained = std::make_shared<std::optional<Subnetwork>>();
    const Napi::Value part = info[0].As<Napi::Object>().Get("trained");
    if (!part.IsUndefined()) *trained = read_subnetwork(read_object(part, "trained"), model->config(), "trained");
    ready();
    const auto losses = std::make_shared<std::vector<double>>();
    const auto result = std::make_shared<UpdateResult>();
    const auto ms = std::make_shared<double>(0);
    return run(
        info,
        [=] {
          const auto start = std::chrono::steady_clock::now();
          *losses = model->take_losses();
          model->check_losses(*losses);
          *result = model->optimizer_step(step, *trained ? &**trained : nullptr);
          *ms = elapsed_ms(start);
        },
        [=](Napi::Env env) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("gradientNorm", Napi::Number::New(env, result->gradient_norm));
          object.Set("newtonSchulzFlops", Napi::Number::New(env, 2.0 * static_cast<double>(result->newton_schulz)));
          object.Set("losses", numbers_array(env, *losses));
          object.Set("ms", Napi::Number::New(env, *ms));
          return object;
        });
  });
}

Napi::Value ModelWrap::clear_gradients(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    ready()->clear_gradients();
    return info.Env().Undefined();
  });
}

Napi::Value ModelWrap::copy_rows(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Model> model = ready();
    const auto copies = std::make_shared<std::vector<RowCopy>>(read_row_copies(info[0]));
    if (!info[1].IsUndefined()) {
      const auto work = [=](Model& each, Communicator& ranks) { each.copy_rows(*copies, &ranks); };
      return run_with_ranks(info, info[1], work);
    }
    ready();
    return run(
        info, [=] { model->copy_rows(*copies, nullptr); },
        [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
  });
}

}  // namespace burgeon
