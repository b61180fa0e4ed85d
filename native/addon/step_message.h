// What crosses the Node-API line with a step: a micro-batch one way, what was computed the other.
#pragma once

#include <napi.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "model/model.h"

namespace burgeon {

// Reads B and T; returns the number of tokens.
int64_t read_shape(const Napi::Value& batch_size, const Napi::Value& sequence_length, int64_t* batch,
                   int64_t* sequence);

// One micro-batch with its own copy of everything the caller passed, so that arrays may be reused at once.
struct Request {
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;
  std::vector<SequenceGroup> groups;
  MicroBatch batch{};

  // tokens, targets (or null, where there need be none), batchSize, sequenceLength, groups.
  Request(const Napi::Object& object, const ModelConfig& config, bool needs_targets);
};

Napi::Object result_object(Napi::Env env, const StepResult& result, double ms);
Napi::Array numbers_array(Napi::Env env, const std::vector<double>& numbers);
double elapsed_ms(std::chrono::steady_clock::time_point start);

}  // namespace burgeon
