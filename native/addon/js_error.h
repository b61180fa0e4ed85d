// The only translation between native errors and JavaScript ones. What crosses is a plain Error with a `code`;
// lib/addon/load.ts turns it into a BurgeonError.
#pragma once

#include <napi.h>

#include "core/error.h"

namespace burgeon {

Napi::Error to_js_error(Napi::Env env, const Error& error);

// The exception being handled, whatever it is, as an Error. Call it in a catch block only.
Error current_error();

// Runs a function and throws what it throws as a JavaScript exception.
template <class Function>
auto translate_errors(Napi::Env env, Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const Napi::Error&) {
    throw;  // JavaScript's own, from a getter for example
  } catch (...) {
    throw to_js_error(env, current_error());
  }
}

}  // namespace burgeon
