#include "addon/tokenizer_wrap.h"

#include <cstring>
#include <utility>

#include "addon/arguments.h"
#include "addon/js_error.h"
#include "addon/task.h"
#include "tokenizer/unicode_class.h"

namespace burgeon {

namespace {

constexpr int64_t kMostTokens = int64_t{1} << 30;

// The text as UTF-8, half surrogate pairs as U+FFFD.
void read_text(const Napi::Value& value, std::string* text) {
  if (!value.IsString()) throw Error(ErrorCode::kConfig, "text: expected a string");
  *text = value.As<Napi::String>().Utf8Value();
}

// Tokens: their bytes one after the other (Uint8Array), and the number of bytes of each (Int32Array).
TokenBytes read_tokens(const Napi::Value& bytes, const Napi::Value& lengths) {
  if (!bytes.IsTypedArray() || bytes.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Error(ErrorCode::kDtype, "bytes: expected a Uint8Array");
  }
  const Napi::Uint8Array array = bytes.As<Napi::Uint8Array>();
  const char* data = reinterpret_cast<const char*>(array.Data());
  size_t left = array.ElementLength();
  TokenBytes tokens;
  for (const int32_t length : read_int32_array(lengths, "lengths", -1)) {
    if (length < 0 || static_cast<size_t>(length) > left) {
      throw Error(ErrorCode::kShape, "lengths: expected numbers of bytes that add up to those given");
    }
    tokens.emplace_back(data, static_cast<size_t>(length));
    data += length;
    left -= static_cast<size_t>(length);
  }
  return tokens;
}

std::vector<Merge> read_merges(const Napi::Value& value, size_t tokens) {
  const std::vector<int32_t> numbers = read_int32_array(value, "merges", -1);
  if (numbers.size() % 3 != 0) throw Error(ErrorCode::kShape, "merges: expected three numbers each");
  for (const int32_t token : numbers) {
    if (token < 0 || static_cast<size_t>(token) >= tokens) {
      throw Error(ErrorCode::kData,
                  "merges: expected tokens in [0, " + std::to_string(tokens) + "), received " + std::to_string(token));
    }
  }
  std::vector<Merge> merges;
  for (size_t i = 0; i < numbers.size(); i += 3) merges.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
  return merges;
}

Napi::Value merges_value(Napi::Env env, const std::vector<Merge>& merges) {
  Napi::Int32Array array = Napi::Int32Array::New(env, 3 * merges.size());
  int32_t* data = array.Data();
  for (const Merge& merge : merges) {
    *data++ = merge.left;
    *data++ = merge.right;
    *data++ = merge.token;
  }
  return array;
}

Napi::Value learned_value(Napi::Env env, const LearnedTokens& learned) {
  std::string bytes;
  Napi::Int32Array lengths = Napi::Int32Array::New(env, learned.tokens.size());
  for (size_t token = 0; token < learned.tokens.size(); ++token) {
    bytes += learned.tokens[token];
    lengths[token] = static_cast<int32_t>(learned.tokens[token].size());
  }
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  std::memcpy(array.Data(), bytes.data(), bytes.size());
  Napi::Object object = Napi::Object::New(env);
  object.Set("bytes", array);
  object.Set("lengths", lengths);
  object.Set("merges", merges_value(env, learned.merges));
  return object;
}

}  // namespace

Napi::Function BytePairEncoderWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeBytePairEncoder", {InstanceMethod<&BytePairEncoderWrap::encode>("encode")});
}

BytePairEncoderWrap::BytePairEncoderWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BytePairEncoderWrap>(info) {
  translate_errors(info.Env(), [&] {
    const TokenBytes tokens = read_tokens(info[0], info[1]);
    encoder_ = std::make_unique<BytePairEncoder>(tokens, read_merges(info[2], tokens.size()));
  });
}

Napi::Value BytePairEncoderWrap::encode(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    read_text(info[0], &text_);
    tokens_.clear();
    encoder_->encode(text_.data(), text_.size(), tokens_);
    Napi::Int32Array array = Napi::Int32Array::New(info.Env(), tokens_.size());
    if (!tokens_.empty()) std::memcpy(array.Data(), tokens_.data(), tokens_.size() * sizeof(int32_t));
    return array;
  });
}

Napi::Function BytePairTrainerWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeBytePairTrainer",
      {InstanceMethod<&BytePairTrainerWrap::count>("count"), InstanceMethod<&BytePairTrainerWrap::learn>("learn"),
       InstanceMethod<&BytePairTrainerWrap::progress>("progress"), InstanceMethod<&BytePairTrainerWrap::stop>("stop")});
}

Napi::Value BytePairTrainerWrap::count(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    if (busy_) throw Error(ErrorCode::kBusy, "trainer: learn() is still running; await its promise first");
    read_text(info[0], &text_);
    trainer_->count(text_.data(), text_.size());
    return info.Env().Undefined();
  });
}

Napi::Value BytePairTrainerWrap::learn(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const int64_t vocabulary = read_integer(info[0], "vocabulary", 256, kMostTokens);
    const int64_t min_count = read_integer(info[1], "minCount", 1, int64_t{1} << 53);
    if (busy_) throw Error(ErrorCode::kBusy, "trainer: learn() is still running; await its promise first");
    const auto trainer = trainer_;
    const auto learned = std::make_shared<LearnedTokens>();
    const Napi::Promise promise = Task::start(
        info.Env(), info.This().As<Napi::Object>(), [=] { *learned = trainer->learn(vocabulary, min_count); },
        [=](Napi::Env env) -> Napi::Value { return learned_value(env, *learned); }, [this] { busy_ = false; });
    busy_ = true;
    return promise;
  });
}

Napi::Value BytePairTrainerWrap::progress(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(trainer_->learned()));
}

Napi::Value BytePairTrainerWrap::stop(const Napi::CallbackInfo& info) {
  trainer_->stop();
  return info.Env().Undefined();
}

Napi::Value unicode_classes_wrap(const Napi::CallbackInfo& info) {
  Napi::Uint8Array array = Napi::Uint8Array::New(info.Env(), kCodePoints);
  std::memcpy(array.Data(), unicode_classes(), kCodePoints);
  return array;
}

}  // namespace burgeon
