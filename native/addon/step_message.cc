#include "addon/step_message.h"

#include <string>

#include "addon/arguments.h"
#include "core/error.h"

namespace burgeon {

namespace {

Napi::Object work_object(Napi::Env env, const Work& work) {
  // Two FLOPs per multiply-add.
  const auto flops = [&](int64_t multiply_adds) {
    return Napi::Number::New(env, 2.0 * static_cast<double>(multiply_adds));
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("qkv", flops(work.qkv));
  object.Set("scores", flops(work.scores));
  object.Set("outProjection", flops(work.out_projection));
  object.Set("mlp", flops(work.mlp));
  object.Set("head", flops(work.head));
  return object;
}

}  // namespace

int64_t read_shape(const Napi::Value& batch_size, const Napi::Value& sequence_length, int64_t* batch,
                   int64_t* sequence) {
  *batch = read_integer(batch_size, "batchSize", 1, kMaxTokens);
  *sequence = read_integer(sequence_length, "sequenceLength", 1, kMaxTokens);
  const int64_t count = *batch * *sequence;
  if (count > kMaxTokens) {
    throw Error(ErrorCode::kShape, "batchSize * sequenceLength: expected at most " + std::to_string(kMaxTokens) +
                                       " tokens, received " + std::to_string(count));
  }
  return count;
}

Request::Request(const Napi::Object& object, const ModelConfig& config, bool needs_targets) {
  const int64_t count =
      read_shape(object.Get("batchSize"), object.Get("sequenceLength"), &batch.batch, &batch.sequence);
  tokens = read_int32_array(object.Get("tokens"), "tokens", count);
  batch.tokens = tokens.data();
  const Napi::Value wanted = object.Get("targets");
  if (needs_targets || !wanted.IsNull()) {
    targets = read_int32_array(wanted, "targets", count);
    batch.targets = targets.data();
  }
  groups = read_groups(object.Get("groups"), batch.batch, config);
  batch.groups = &groups;
}

Napi::Object result_object(Napi::Env env, const StepResult& result, double ms) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", Napi::Number::New(env, result.loss));
  object.Set("kernels", Napi::Number::New(env, static_cast<double>(result.kernels)));
  object.Set("forwardFlops", work_object(env, result.forward));
  object.Set("backwardFlops", work_object(env, result.backward));
  object.Set("ms", Napi::Number::New(env, ms));
  return object;
}

Napi::Array numbers_array(Napi::Env env, const std::vector<double>& numbers) {
  const Napi::Array array = Napi::Array::New(env, numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, numbers[i]));
  }
  return array;
}

double elapsed_ms(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace burgeon
