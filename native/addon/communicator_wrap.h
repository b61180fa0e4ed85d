// The JavaScript object around the other ranks of a job. Converts, guards, queues; lib/addon/binding.ts is its exact
// type and documents every method.
#pragma once

#include <napi.h>

#include <memory>

#include "core/communicator.h"

namespace burgeon {

class CommunicatorWrap : public Napi::ObjectWrap<CommunicatorWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CommunicatorWrap(const Napi::CallbackInfo& info);

  // Of a value that came as an argument. Throws Error(kConfig) where it is something else.
  static CommunicatorWrap& from(const Napi::Value& value);

  // The ranks, if they have met and nothing else is going on with them. Throws Error(kDisposed, kBusy).
  std::shared_ptr<Communicator> ready() const;
  // Until `finish()` nothing else may be done with them.
  void begin() { busy_ = true; }
  void finish() { busy_ = false; }

 private:
  Napi::Value meet(const Napi::CallbackInfo& info);
  Napi::Value sum(const Napi::CallbackInfo& info);
  Napi::Value broadcast(const Napi::CallbackInfo& info);
  Napi::Value give_up(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Napi::Value run(const Napi::CallbackInfo& info, std::function<void()> work,
                  std::function<Napi::Value(Napi::Env)> result);

  // Shared with a meeting that is under way.
  struct Ranks {
    std::shared_ptr<Communicator> communicator;
  };
  std::shared_ptr<Ranks> ranks_ = std::make_shared<Ranks>();
  bool busy_ = false;
  bool is_closed_ = false;
};

}  // namespace burgeon
