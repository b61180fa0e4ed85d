#include "addon/bench_wrap.h"

#include <memory>
#include <string>
#include <vector>

#include "addon/arguments.h"
#include "addon/task.h"
#include "bench/op_bench.h"

namespace burgeon {

namespace {

using bench::OpBenchOptions;
using bench::OpBenchResult;
using bench::OpCheckOptions;
using bench::OpShape;

void read_check_options(const Napi::Object& object, OpCheckOptions* options) {
  options->op = bench::op_entry(read_string(object.Get("op"), "op")).name;
  read_backend_options(object, options);
  if (options->precision == Precision::kFloat64) {
    throw Error(ErrorCode::kConfig, "precision: expected float32 or bf16, received float64");
  }
  options->threads = read_threads(object);
}

OpBenchOptions read_options(const Napi::Object& object) {
  OpBenchOptions options;
  read_check_options(object, &options);
  options.rounds = read_integer(object.Get("rounds"), "rounds", 1, bench::kMostRounds);
  options.cold = read_boolean(object.Get("cold"), "cold");
  return options;
}

// Dimensions that the op does not take are not looked at. All rows are active, and every head has keys and values of
// its own, unless told otherwise.
OpShape read_shape(const Napi::Object& object, const std::string& op, const std::string& path) {
  OpShape shape;
  for (const bench::Dimension& dimension : bench::op_entry(op).dimensions) {
    const Napi::Value value = object.Get(dimension.name);
    if (value.IsUndefined() && dimension.member == &OpShape::active_rows) {
      shape.active_rows = shape.rows;
    } else if (value.IsUndefined() && dimension.member == &OpShape::kv_heads) {
      shape.kv_heads = shape.heads;
    } else if (!value.IsUndefined() || dimension.member != &OpShape::block_rows) {
      shape.*dimension.member = read_integer(value, path + dimension.name, 1, dimension.most);
    }
    if (dimension.member == &OpShape::rows) shape.active_rows = shape.rows;
  }
  check_shape(bench::op_entry(op), shape);
  return shape;
}

Napi::Array to_array(Napi::Env env, const std::vector<double>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, values[i]));
  return array;
}

Napi::Object to_object(Napi::Env env, const OpBenchResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ms", to_array(env, result.ms));
  object.Set("copyMs", to_array(env, result.copy_ms));
  object.Set("n", Napi::Number::New(env, static_cast<double>(result.n)));
  object.Set("flops", Napi::Number::New(env, 2.0 * static_cast<double>(result.multiply_adds)));
  object.Set("bytes", Napi::Number::New(env, static_cast<double>(result.bytes)));
  object.Set("error", Napi::Number::New(env, result.error.largest));
  return object;
}

using Results = std::vector<OpBenchResult>;

Napi::Value start(Napi::Env env, const OpBenchOptions& options, const std::vector<OpShape>& shapes,
                  Napi::Value (*result)(Napi::Env, const Results&)) {
  auto results = std::make_shared<Results>();
  return Task::start(
      env, Napi::Object::New(env), [=] { *results = bench::bench_op(options, shapes); },
      [=](Napi::Env in) { return result(in, *results); }, [] {});
}

}  // namespace

Napi::Value check_op_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = read_object(info[0], "options");
    OpCheckOptions options;
    read_check_options(object, &options);
    options.seed = static_cast<uint64_t>(read_integer(object.Get("seed"), "seed", 0, int64_t{1} << 32));
    const OpShape shape = read_shape(object, options.op, "");
    auto error = std::make_shared<bench::OpError>();
    return Task::start(
        info.Env(), Napi::Object::New(info.Env()), [=] { *error = bench::check_op(options, shape); },
        [=](Napi::Env env) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("largest", Napi::Number::New(env, error->largest));
          result.Set("norm", Napi::Number::New(env, error->norm));
          return result;
        },
        [] {});
  });
}

Napi::Value bench_copy_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = read_object(info[0], "options");
    BackendOptions options;
    read_backend_options(object, &options);
    const int threads = read_threads(object);
    const int64_t bytes = read_integer(object.Get("bytes"), "bytes", 64, int64_t{1} << 33);
    const int64_t rounds = read_integer(object.Get("rounds"), "rounds", 1, bench::kMostRounds);
    auto ms = std::make_shared<std::vector<double>>();
    return Task::start(
        info.Env(), Napi::Object::New(info.Env()), [=] { *ms = bench::bench_copy(options, threads, bytes, rounds); },
        [=](Napi::Env env) -> Napi::Value { return to_array(env, *ms); }, [] {});
  });
}

Napi::Value bench_op_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = read_object(info[0], "options");
    const OpBenchOptions options = read_options(object);
    return start(info.Env(), options, {read_shape(object, options.op, "")},
                 [](Napi::Env env, const Results& results) -> Napi::Value { return to_object(env, results[0]); });
  });
}

Napi::Value bench_op_in_turn_wrap(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const OpBenchOptions options = read_options(read_object(info[0], "options"));
    const uint32_t count = info[1].IsArray() ? info[1].As<Napi::Array>().Length() : 0;
    if (count < 1 || count > bench::kMostShapes) {
      throw Error(ErrorCode::kShape, "shapes: expected an array of 1 to " + std::to_string(bench::kMostShapes) +
                                         " shapes, received " + (info[1].IsArray() ? std::to_string(count) : "none"));
    }
    std::vector<OpShape> shapes;
    for (uint32_t i = 0; i < count; ++i) {
      const std::string name = "shapes[" + std::to_string(i) + "]";
      const Napi::Value value = info[1].As<Napi::Array>().Get(i);
      shapes.push_back(read_shape(read_object(value, name.c_str()), options.op, name + "."));
    }
    return start(info.Env(), options, shapes, [](Napi::Env env, const Results& results) -> Napi::Value {
      Napi::Array array = Napi::Array::New(env, results.size());
      for (size_t i = 0; i < results.size(); ++i) array.Set(static_cast<uint32_t>(i), to_object(env, results[i]));
      return array;
    });
  });
}

}  // namespace burgeon
