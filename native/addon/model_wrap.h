// The JavaScript object around one native model. Converts, guards, queues; no arithmetic. lib/addon/binding.ts is its
// exact type and documents every method.
#pragma once

#include <napi.h>

#include <memory>

#include "model/model.h"

namespace burgeon {

class ModelWrap : public Napi::ObjectWrap<ModelWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ModelWrap(const Napi::CallbackInfo& info);
  ~ModelWrap() override;

 private:
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value extend(const Napi::CallbackInfo& info);
  Napi::Value forward_backward(const Napi::CallbackInfo& info);
  Napi::Value accumulate(const Napi::CallbackInfo& info);
  Napi::Value take_losses(const Napi::CallbackInfo& info);
  Napi::Value fold_gradients(const Napi::CallbackInfo& info);
  Napi::Value exchange_gradients(const Napi::CallbackInfo& info);
  Napi::Value broadcast_state(const Napi::CallbackInfo& info);
  Napi::Value gather_weights(const Napi::CallbackInfo& info);
  Napi::Value gather_rows(const Napi::CallbackInfo& info);
  Napi::Value scatter_rows(const Napi::CallbackInfo& info);
  Napi::Value optimizer_step(const Napi::CallbackInfo& info);
  Napi::Value clear_gradients(const Napi::CallbackInfo& info);
  Napi::Value copy_rows(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value tensors(const Napi::CallbackInfo& info);
  Napi::Value plan_bytes(const Napi::CallbackInfo& info);
  Napi::Value take_profile(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  // The model, if it may be used now. Throws Error(kDisposed, kBusy). Reading arguments may run getters, and those may
  // dispose of the model or start a call: methods ask before they read and, where they run work, again after.
  std::shared_ptr<Model> ready() const;
  // What forwardBackward and accumulate are, with one method of the model or the other.
  Napi::Value train(const Napi::CallbackInfo& info, StepResult (Model::*call)(const MicroBatch&, double));
  // What is done with the other ranks, the argument `ranks`, with the model and them busy meanwhile.
  Napi::Value run_with_ranks(
      const Napi::CallbackInfo& info, const Napi::Value& ranks, std::function<void(Model&, Communicator&)> work,
      std::function<Napi::Value(Napi::Env)> result = [](Napi::Env env) { return env.Undefined(); });
  Napi::Value move_rows(const Napi::CallbackInfo& info, bool gathers);
  // Marks the model busy until the work is done.
  Napi::Value run(const Napi::CallbackInfo& info, std::function<void()> work,
                  std::function<Napi::Value(Napi::Env)> result);
  // Tells V8 how much native memory hangs on this object.
  void report_memory();

  std::shared_ptr<Model> model_;
  bool busy_ = false;
  int64_t reported_bytes_ = 0;
};

// planMemory(config, options, batchSize, sequenceLength): what such a model takes with such batches, in bytes.
Napi::Value plan_memory_wrap(const Napi::CallbackInfo& info);

}  // namespace burgeon
