// Reads JavaScript arguments: each function takes the value and its name, and throws Error(kShape, kDtype, kConfig)
// that says what was expected and what came. Objects are read through their getters, which may run any JavaScript.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "model/config.h"
#include "model/model.h"

namespace burgeon {

// Most tokens of one call. With the largest model that read_model_config accepts, no size in bytes overflows then.
constexpr int64_t kMaxTokens = int64_t{1} << 28;
constexpr int64_t kMostRanks = 4096;

double read_number(const Napi::Value& value, const char* name);
// An integer in [low, high].
int64_t read_integer(const Napi::Value& value, const std::string& name, int64_t low, int64_t high);
bool read_boolean(const Napi::Value& value, const std::string& name);
std::string read_string(const Napi::Value& value, const char* name);
Napi::Object read_object(const Napi::Value& value, const std::string& name);

// Copies an Int32Array; `length` < 0 accepts any.
std::vector<int32_t> read_int32_array(const Napi::Value& value, const std::string& name, int64_t length);

// The elements of a Float32Array (element_size 4) or Float64Array (8) of this length, valid while it is referenced.
void* float_array_data(const Napi::Value& value, const char* name, int element_size, int64_t length);

ModelConfig read_model_config(const Napi::Value& value);
// backend, maxIsa, precision, and of cuda cudaLibrary and cudaDevice.
void read_backend_options(const Napi::Object& object, BackendOptions* options);
int read_threads(const Napi::Object& object);
ModelOptions read_model_options(const Napi::Value& value);
OptimizerStep read_optimizer_step(const Napi::Value& value);
// What a group's object says of its subnetwork. Shapes only; the contents of lists are checked by the model.
Subnetwork read_subnetwork(const Napi::Object& object, const ModelConfig& config, const std::string& name);
// {sequences, ...subnetwork} of consecutive sequences of a batch.
std::vector<SequenceGroup> read_groups(const Napi::Value& value, int64_t batch, const ModelConfig& config);
// {layers, heads, kvHeads, neurons}; undefined: all.
Extent read_extent(const Napi::Value& value, const ModelConfig& config);
std::vector<RowCopy> read_row_copies(const Napi::Value& value);

}  // namespace burgeon
