// The JavaScript side of byte pair encoding: an encoder, a trainer, and two functions. Converts, guards, queues; what
// everything means is documented in lib/addon/binding.ts, their exact type.
#pragma once

#include <napi.h>

#include <memory>

#include "tokenizer/byte_pair_encoder.h"
#include "tokenizer/byte_pair_trainer.h"

namespace burgeon {

class BytePairEncoderWrap : public Napi::ObjectWrap<BytePairEncoderWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BytePairEncoderWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value encode(const Napi::CallbackInfo& info);

  std::unique_ptr<BytePairEncoder> encoder_;
  std::string text_;             // work space
  std::vector<int32_t> tokens_;  // work space
};

class BytePairTrainerWrap : public Napi::ObjectWrap<BytePairTrainerWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BytePairTrainerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BytePairTrainerWrap>(info) {}

 private:
  Napi::Value count(const Napi::CallbackInfo& info);
  Napi::Value learn(const Napi::CallbackInfo& info);
  Napi::Value progress(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);

  std::shared_ptr<BytePairTrainer> trainer_ = std::make_shared<BytePairTrainer>();
  std::string text_;  // work space
  bool busy_ = false;
};

Napi::Value unicode_classes_wrap(const Napi::CallbackInfo& info);

}  // namespace burgeon
