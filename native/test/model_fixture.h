// What the model tests share: small models with weights from a fixed seed, the same in every precision and on every
// backend, and batches for them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "test/op_fixture.h"

namespace burgeon::test {

// Odd in every dimension: 3 layers, 3 heads of 5, 17 neurons, 12 positions, 29 tokens.
ModelConfig small_config();

ModelOptions on_cpu(const std::string& isa, int threads = 1);
ModelOptions on_reference(bool double_precision = true);

// Weights that keep activations of size 1 (large scores would only magnify rounding), with nothing zero.
std::unique_ptr<Model> make_model(const ModelConfig& config, const ModelOptions& options, uint64_t seed = 1);

size_t tensor_index(const Model& model, const std::string& name, int64_t layer = -1);
Doubles read(const Model& model, Role role, size_t index);
void write(Model& model, Role role, size_t index, const Doubles& values);
// One role of the whole model, in the order of the tensors.
std::vector<Doubles> read_all(const Model& model, Role role);

// Tokens and targets with what a Batch points to.
struct Group {
  int64_t batch;
  int64_t sequence;
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;
  std::optional<Subnetwork> subnetwork;
  double layer_scale = 1;

  Batch view() const {
    return {tokens.data(), targets.data(), batch, sequence, subnetwork ? &*subnetwork : nullptr, layer_scale};
  }
};

// Random tokens; every fifth target or so is ignored.
Group make_group(const ModelConfig& config, int64_t batch, int64_t sequence, uint64_t seed = 2);

// Two of the three layers of small_config(), two heads and one, five neurons and all.
Subnetwork small_subnetwork();

OptimizerStep optimizer_step(int64_t step = 1, bool freeze = false);

}  // namespace burgeon::test
