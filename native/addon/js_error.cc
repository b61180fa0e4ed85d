#include "addon/js_error.h"

#include <new>
#include <string>

namespace burgeon {

namespace {

const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kConfig:
      return "ERR_BURGEON_CONFIG";
    case ErrorCode::kShape:
      return "ERR_BURGEON_SHAPE";
    case ErrorCode::kDtype:
      return "ERR_BURGEON_DTYPE";
    case ErrorCode::kBusy:
      return "ERR_BURGEON_BUSY";
    case ErrorCode::kDisposed:
      return "ERR_BURGEON_DISPOSED";
    case ErrorCode::kBackend:
      return "ERR_BURGEON_BACKEND";
    case ErrorCode::kOutOfMemory:
      return "ERR_BURGEON_OUT_OF_MEMORY";
    case ErrorCode::kCuda:
      return "ERR_BURGEON_CUDA";
    case ErrorCode::kNonfinite:
      return "ERR_BURGEON_NONFINITE";
    case ErrorCode::kData:
      return "ERR_BURGEON_DATA";
    case ErrorCode::kRanks:
      return "ERR_BURGEON_RANKS";
  }
  return "ERR_BURGEON_BACKEND";
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, const Error& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("code", Napi::String::New(env, name_of(error.code())));
  return result;
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory, "the system refused memory");
  } catch (const std::exception& error) {
    return Error(ErrorCode::kBackend, std::string("the system refused what the engine needs: ") + error.what());
  }
}

}  // namespace burgeon
