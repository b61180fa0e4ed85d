// Runs native work on libuv's pool and settles a Promise: the event loop stays free.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <utility>

#include "addon/js_error.h"

namespace burgeon {

// `work` runs off the main thread and may throw Error; `result` then makes the value on the main thread. `keep_alive`
// stays referenced meanwhile, and `finished` is called once on the main thread however it ended.
class Task : public Napi::AsyncWorker {
 public:
  static Napi::Promise start(Napi::Env env, Napi::Object keep_alive, std::function<void()> work,
                             std::function<Napi::Value(Napi::Env)> result, std::function<void()> finished) {
    Task* task = new Task(env, std::move(work), std::move(result), std::move(finished));
    task->keep_alive_ = Napi::Persistent(keep_alive);
    const Napi::Promise promise = task->deferred_.Promise();
    task->Queue();
    return promise;
  }

 private:
  Task(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
       std::function<void()> finished)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        result_(std::move(result)),
        finished_(std::move(finished)) {}

  void Execute() override {
    try {
      work_();
    } catch (...) {
      error_ = current_error();
    }
  }

  void OnOK() override {
    // Where the thread was terminated meanwhile this throws, to nobody: NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS.
    finished_();
    if (error_) {
      deferred_.Reject(to_js_error(Env(), *error_).Value());
    } else {
      deferred_.Resolve(result_(Env()));
    }
  }

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference keep_alive_;
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::function<void()> finished_;
  std::optional<Error> error_;
};

}  // namespace burgeon
