#include "addon/communicator_wrap.h"

#include <string>
#include <vector>

#include "addon/arguments.h"
#include "addon/js_error.h"
#include "addon/task.h"
#include "core/collectives.h"
#include "core/error.h"
#include "mpi/mpi_communicator.h"

namespace burgeon {

namespace {

constexpr napi_type_tag kTag = {0x8d3f1c0ab5e24f6d, 0x9a61c7d2e4b80f35};
constexpr int64_t kMostNumbers = 1 << 20;
constexpr int64_t kMostText = int64_t{1} << 28;

std::vector<double> read_numbers(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw Error(ErrorCode::kConfig, std::string(name) + ": expected an array of numbers");
  const Napi::Array array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  if (length > kMostNumbers) {
    throw Error(ErrorCode::kConfig, std::string(name) + ": expected at most " + std::to_string(kMostNumbers) +
                                        " numbers, received " + std::to_string(length));
  }
  std::vector<double> numbers;
  for (uint32_t i = 0; i < length; ++i) {
    const Napi::Value each = array.Get(i);
    if (!each.IsNumber()) throw Error(ErrorCode::kConfig, std::string(name) + ": expected numbers alone");
    numbers.push_back(each.As<Napi::Number>().DoubleValue());
  }
  return numbers;
}

}  // namespace

Napi::Function CommunicatorWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeCommunicator",
      {InstanceMethod<&CommunicatorWrap::meet>("meet"), InstanceMethod<&CommunicatorWrap::sum>("sum"),
       InstanceMethod<&CommunicatorWrap::broadcast>("broadcast"), InstanceMethod<&CommunicatorWrap::give_up>("giveUp"),
       InstanceMethod<&CommunicatorWrap::close>("close")});
}

CommunicatorWrap::CommunicatorWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CommunicatorWrap>(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

CommunicatorWrap& CommunicatorWrap::from(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "communicator");
  if (!object.CheckTypeTag(&kTag)) {
    throw Error(ErrorCode::kConfig, "communicator: expected one of burgeon's, received another object");
  }
  return *Unwrap(object);
}

std::shared_ptr<Communicator> CommunicatorWrap::ready() const {
  if (busy_) throw Error(ErrorCode::kBusy, "ranks: a call is still running; await its promise before the next call");
  if (is_closed_ || !ranks_->communicator)
    throw Error(ErrorCode::kDisposed, "ranks: used before they met, or after close()");
  return ranks_->communicator;
}

Napi::Value CommunicatorWrap::run(const Napi::CallbackInfo& info, std::function<void()> work,
                                  std::function<Napi::Value(Napi::Env)> result) {
  const Napi::Promise promise =
      Task::start(info.Env(), info.This().As<Napi::Object>(), std::move(work), std::move(result), [this] { finish(); });
  begin();
  return promise;
}

Napi::Value CommunicatorWrap::meet(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = read_object(info[0], "options");
    TcpPlace place;
    place.size = static_cast<int>(read_integer(options.Get("size"), "size", 2, kMostRanks));
    place.rank = static_cast<int>(read_integer(options.Get("rank"), "rank", 0, place.size - 1));
    const std::string mpi = read_string(options.Get("mpiLibrary"), "mpiLibrary");
    place.address = read_string(options.Get("address"), "address");
    place.port = static_cast<int>(read_integer(options.Get("port"), "port", 1, 65535));
    place.connect_seconds = static_cast<double>(read_integer(options.Get("meetSeconds"), "meetSeconds", 1, 86400));
    place.silence_seconds = static_cast<double>(read_integer(options.Get("silenceSeconds"), "silenceSeconds", 2, 3600));
    if (busy_ || is_closed_ || ranks_->communicator) {
      throw Error(ErrorCode::kBusy, "ranks: meet() was called before; make another communicator");
    }
    return run(
        info,
        [ranks = ranks_, place, mpi] {
          ranks->communicator = mpi.empty() ? meet_over_tcp(place) : meet_over_mpi(mpi, place);
        },
        [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
  });
}

Napi::Value CommunicatorWrap::sum(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const auto numbers = std::make_shared<std::vector<double>>(read_numbers(info[0], "numbers"));
    const auto what = std::make_shared<std::string>(read_string(info[1], "what"));
    const std::shared_ptr<Communicator> ranks = ready();
    return run(
        info,
        [=] {
          std::vector<double> scratch;
          sum_over(*ranks, numbers->data(), static_cast<int64_t>(numbers->size()), &scratch, what->c_str());
        },
        [=](Napi::Env env) -> Napi::Value {
          const Napi::Array array = Napi::Array::New(env, numbers->size());
          for (size_t i = 0; i < numbers->size(); ++i) {
            array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, (*numbers)[i]));
          }
          return array;
        });
  });
}

Napi::Value CommunicatorWrap::broadcast(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const auto text = std::make_shared<std::string>(read_string(info[0], "text"));
    const auto what = std::make_shared<std::string>(read_string(info[1], "what"));
    const std::shared_ptr<Communicator> ranks = ready();
    return run(
        info,
        [=] {
          int64_t length = static_cast<int64_t>(text->size());
          burgeon::broadcast(*ranks, &length, sizeof(length), what->c_str());
          if (length < 0 || length > kMostText) throw Error(ErrorCode::kRanks, "ranks: a message is damaged");
          text->resize(static_cast<size_t>(length));
          burgeon::broadcast(*ranks, text->data(), text->size(), what->c_str());
        },
        [=](Napi::Env env) -> Napi::Value { return Napi::String::New(env, *text); });
  });
}

Napi::Value CommunicatorWrap::give_up(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    const std::string why = read_string(info[0], "why");
    if (ranks_->communicator && !is_closed_) ranks_->communicator->give_up(why);
    return info.Env().Undefined();
  });
}

Napi::Value CommunicatorWrap::close(const Napi::CallbackInfo& info) {
  return translate_errors(info.Env(), [&]() -> Napi::Value {
    if (busy_) throw Error(ErrorCode::kBusy, "ranks: a call is still running; await its promise before close()");
    is_closed_ = true;
    if (ranks_->communicator) ranks_->communicator->close();
    ranks_->communicator.reset();
    return info.Env().Undefined();
  });
}

}  // namespace burgeon
