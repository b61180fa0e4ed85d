// Gradients of biases in whole steps on the CUDA backend: who makes them depends on the projection and the library.
#include <cmath>

#include "test/cuda_fixture.h"
#include "test/model_fixture.h"

namespace burgeon::test {

namespace {

// Every bias of the model, whose gradients are made by whoever writes or reads what they are sums of.
void check_biases(Model& model, Model& reference, double bound) {
  for (size_t i = 0; i < reference.tensors().size(); ++i) {
    const std::string name = reference.tensors()[i].name;
    if (name.back() != 'b' || name[0] == 'l') continue;  // of a projection, not of a norm
    const Note note(name + " of layer " + std::to_string(reference.tensors()[i].layer));
    const Doubles wanted = read(reference, Role::kGradient, i);
    const Doubles found = read(model, Role::kGradient, i);
    double off = 0;
    double size = 0;
    for (size_t j = 0; j < wanted.size(); ++j) {
      off += (found[j] - wanted[j]) * (found[j] - wanted[j]);
      size += wanted[j] * wanted[j];
    }
    CHECK(std::sqrt(off) <= bound * std::sqrt(size));  // exactly none, of a layer that took no part
  }
}

// A stage of growth with its first layers and heads, groups that draw theirs, one of which leaves out the layer between
// two others, and micro-batches that add up, of one subnetwork and of several, with the scales of each.
void check_biases_of_steps(const char* name, const ModelConfig& config, const ModelOptions& options, double bound) {
  const Note note(name);
  Subnetwork stage = with_layer_scale({}, 1.5);
  stage.has_layers = true;
  stage.layers = {0, 1};
  stage.heads = {{0}, {0}};
  stage.neurons = {{}, {}};
  for (std::vector<int32_t>& neurons : stage.neurons) {
    for (int32_t j = 0; j < 24; ++j) neurons.push_back(j);
  }
  stage.head_scale = {2, 2};
  stage.neuron_scale = {64.0 / 24, 64.0 / 24};
  Subnetwork drawn = stage;
  drawn.layers = {0, 2};
  drawn.heads = {{1}, {0}};
  for (std::vector<int32_t>& neurons : drawn.neurons) {
    for (int32_t& neuron : neurons) neuron = 2 * neuron + 3;
  }
  const auto model = make_model(config, options);
  const auto reference = make_model(config, on_reference());
  uint64_t seed = 40;
  const auto run = [&](const std::vector<SequenceGroup>& groups) {
    TestBatch batch = make_batch(config, 3, 12, ++seed);
    MicroBatch view = batch.view();
    view.groups = &groups;
    model->forward_backward(view, 0.25);
    reference->forward_backward(view, 0.25);
    check_biases(*model, *reference, bound);
  };
  run({{3, stage}});
  run({{3, stage}});  // added in slots
  run({{1, drawn}, {2, stage}});
  run({{1, drawn}, {2, {}}});
  run({{3, {}}});
}

}  // namespace

TEST(cuda_model_makes_the_gradients_of_all_biases) {
  const ModelConfig gpt2 = gpt2_config(3, 2, 64, 64, 40, 72);
  ModelConfig llama = llama_config(3, 2, 2, 32, 64, 64, 40, 72);
  llama.qkv_bias = llama.attproj_bias = llama.mlp_bias = true;
  const TemporaryFile plans;
  ModelOptions with_plans = on_cuda_with_library();
  with_plans.cuda_plans = plans.path();
  check_biases_of_steps("float32", gpt2, on_cuda(), 1e-4);
  check_biases_of_steps("bf16", gpt2, on_cuda(Precision::kBfloat16), 0.03);
  check_biases_of_steps("library", gpt2, on_cuda_with_library(), 0.03);
  check_biases_of_steps("library with plans", gpt2, with_plans, 0.03);
  check_biases_of_steps("RMSNorm and SwiGLU", llama, with_plans, 0.03);
}

}  // namespace burgeon::test
