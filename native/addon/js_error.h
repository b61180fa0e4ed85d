// The only translation between native errors and JavaScript ones. What crosses is a plain Error with a `code`;
// lib/addon/load.ts turns it into a BurgeonError.
#pragma once

#include <napi.h>

#include "core/error.h"

namespace burgeon {

Napi::Error to_js_error(Napi::Env env, const Error& error);

// Runs a function and throws what it throws as a JavaScript exception.
template <class Function>
auto translate_errors(Napi::Env env, Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const Error& error) {
    throw to_js_error(env, error);
  } catch (const std::bad_alloc&) {
    throw to_js_error(env, Error(ErrorCode::kOutOfMemory, "the system refused memory"));
  }
}

}  // namespace burgeon
