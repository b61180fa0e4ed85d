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

ModelConfig gpt2_config(int64_t layers, int64_t heads, int64_t width, int64_t neurons, int64_t positions,
                        int64_t tokens, double epsilon = 1e-5);
// Without biases, with a head of its own.
ModelConfig llama_config(int64_t layers, int64_t heads, int64_t kv_heads, int64_t head_size, int64_t width,
                         int64_t neurons, int64_t positions, int64_t tokens);

// Odd in every dimension: GPT-2, 3 layers, 3 heads of 5, 17 neurons, 12 positions, 29 tokens.
ModelConfig small_config();
// The same sizes with 3 key and value heads of 4 and two query heads to each.
ModelConfig small_llama();
// Both of them, and a Llama with everything that is optional. small_subnetwork() fits each.
std::vector<ModelConfig> small_architectures();
std::string name_of(const ModelConfig& config);

ModelOptions on_cpu(const std::string& isa, int threads = 1);
ModelOptions on_reference(bool double_precision = true);
// With kernels that run on the host, and in bfloat16 with a cuBLASLt that does.
ModelOptions on_cuda(Precision precision = Precision::kFloat32);
ModelOptions on_cuda_with_library();

// Weights that keep activations of size 1 (large scores would only magnify rounding), with nothing zero.
std::unique_ptr<Model> make_model(const ModelConfig& config, const ModelOptions& options, uint64_t seed = 1);

size_t tensor_index(const Model& model, const std::string& name, int64_t layer = -1);
Doubles read(Model& model, Role role, size_t index);
void write(Model& model, Role role, size_t index, const Doubles& values);
// One role of the whole model, in the order of the tensors.
std::vector<Doubles> read_all(Model& model, Role role);

// Every tensor to `relative` of its norm.
void check_tensors(const Model& model, const std::vector<Doubles>& actual, const std::vector<Doubles>& expected,
                   double relative);
bool same(const Work& a, const Work& b);

// Tokens and targets with what a MicroBatch points to.
struct TestBatch {
  int64_t batch;
  int64_t sequence;
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;
  std::optional<Subnetwork> subnetwork;
  mutable std::vector<SequenceGroup> groups;  // of the last view

  MicroBatch view() const {
    groups = {{0, subnetwork.value_or(Subnetwork())}};
    return {tokens.data(), targets.data(), batch, sequence, &groups};
  }
  // Some of the sequences, from `first` on, on the same or on one other subnetwork.
  MicroBatch view(int64_t first, const SequenceGroup& group) const {
    groups = {group};
    return {tokens.data() + first * sequence, targets.data() + first * sequence, group.sequences, sequence, &groups};
  }
};

// Random tokens; every fifth target or so is ignored.
TestBatch make_batch(const ModelConfig& config, int64_t batch, int64_t sequence, uint64_t seed = 2);

// Two of the three layers of a small model, two (key and value) heads and one, five neurons and all; rescaled by the
// inverse shares.
Subnetwork small_subnetwork();
// The first two layers, with the first heads and neurons, as many as in small_subnetwork(), not rescaled.
Subnetwork small_nested();
// With a factor for the branches of its two layers, or of as many as there are.
Subnetwork with_layer_scale(Subnetwork subnetwork, double factor, size_t layers = 2);

OptimizerStep optimizer_step(int64_t step = 1, bool freeze = false);

}  // namespace burgeon::test
