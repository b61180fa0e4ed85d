#include "test/model_fixture.h"

#include <cmath>
#include <cstring>

namespace burgeon::test {

ModelConfig gpt2_config(int64_t layers, int64_t heads, int64_t width, int64_t neurons, int64_t positions,
                        int64_t tokens, double epsilon) {
  ModelConfig config{};
  config.n_layer = layers;
  config.n_head = config.n_kv_head = heads;
  config.head_size = width / heads;
  config.n_embd = width;
  config.n_inner = neurons;
  config.context_length = positions;
  config.vocab_size = tokens;
  config.norm_epsilon = epsilon;
  config.mlp = MlpKind::kGelu;
  config.qkv_bias = config.attproj_bias = config.mlp_bias = config.tied_head = true;
  return config;
}

ModelConfig llama_config(int64_t layers, int64_t heads, int64_t kv_heads, int64_t head_size, int64_t width,
                         int64_t neurons, int64_t positions, int64_t tokens) {
  ModelConfig config = gpt2_config(layers, heads, width, neurons, positions, tokens);
  config.n_kv_head = kv_heads;
  config.head_size = head_size;
  config.rms_norm = true;
  config.mlp = MlpKind::kSwiglu;
  config.qkv_bias = config.attproj_bias = config.mlp_bias = config.tied_head = false;
  for (int64_t d = 0; d < head_size / 2; ++d) {
    config.rope_frequencies.push_back(std::pow(100.0f, -2.0f * static_cast<float>(d) / static_cast<float>(head_size)));
  }
  return config;
}

ModelConfig small_config() { return gpt2_config(3, 3, 15, 17, 12, 29); }

ModelConfig small_llama() { return llama_config(3, 6, 3, 4, 15, 17, 12, 29); }

std::vector<ModelConfig> small_architectures() {
  ModelConfig biased = small_llama();
  biased.qkv_bias = biased.attproj_bias = biased.mlp_bias = biased.tied_head = true;
  return {small_config(), small_llama(), biased};
}

std::string name_of(const ModelConfig& config) {
  if (!config.rms_norm) return "gpt2";
  return config.tied_head ? "llama, tied and with biases" : "llama";
}

ModelOptions on_cpu(const std::string& isa, int threads) { return {{"cpu", isa, Precision::kFloat32}, threads}; }

ModelOptions on_reference(bool double_precision) {
  return {{"reference", "", double_precision ? Precision::kFloat64 : Precision::kFloat32}};
}

ModelOptions on_cuda(Precision precision) {
  ModelOptions options{{"cuda", "", precision, BURGEON_CUDA_HOST_LIBRARY}};
  options.cublaslt = "off";
  return options;
}

ModelOptions on_cuda_with_library() {
  ModelOptions options = on_cuda(Precision::kBfloat16);
  options.cublaslt = BURGEON_CUBLASLT_HOST_LIBRARY;
  return options;
}

std::unique_ptr<Model> make_model(const ModelConfig& config, const ModelOptions& options, uint64_t seed) {
  auto model = Model::create(config, options);
  Random random(seed);
  for (size_t i = 0; i < model->tensors().size(); ++i) {
    const Tensor& tensor = model->tensors()[i];
    const bool is_norm = std::strncmp(tensor.name, "ln", 2) == 0;
    const bool is_norm_weight = is_norm && tensor.name[std::strlen(tensor.name) - 1] == 'w';
    const float scale = tensor.cols > 1 ? 1 / std::sqrt(static_cast<float>(tensor.cols)) : 0.3f;
    write(*model, Role::kWeight, i, widen(random.normals(tensor.size(), scale, is_norm_weight ? 1 : 0)));
  }
  return model;
}

size_t tensor_index(const Model& model, const std::string& name, int64_t layer) {
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    if (model.tensors()[i].name == name && model.tensors()[i].layer == layer) return i;
  }
  throw Error(ErrorCode::kConfig, "no tensor " + name + " in layer " + std::to_string(layer));
}

Doubles read(Model& model, Role role, size_t index) {
  const size_t size = static_cast<size_t>(model.tensors()[index].size());
  if (model.element_size() == sizeof(double)) {
    Doubles values(size);
    model.read(role, index, 0, model.tensors()[index].rows, values.data());
    return values;
  }
  Floats values(size);
  model.read(role, index, 0, model.tensors()[index].rows, values.data());
  return widen(values);
}

void write(Model& model, Role role, size_t index, const Doubles& values) {
  if (model.element_size() == sizeof(double)) {
    model.write(role, index, 0, model.tensors()[index].rows, values.data());
  } else {
    model.write(role, index, 0, model.tensors()[index].rows, Floats(values.begin(), values.end()).data());
  }
}

std::vector<Doubles> read_all(Model& model, Role role) {
  std::vector<Doubles> all;
  for (size_t i = 0; i < model.tensors().size(); ++i) all.push_back(read(model, role, i));
  return all;
}

TestBatch make_batch(const ModelConfig& config, int64_t batch, int64_t sequence, uint64_t seed) {
  Random random(seed);
  TestBatch group{batch, sequence, {}, {}, {}, {}};
  for (int64_t i = 0; i < batch * sequence; ++i) {
    group.tokens.push_back(static_cast<int32_t>(random.between(0, config.vocab_size - 1)));
    const bool ignored = i > 0 && random.between(0, 4) == 0;
    group.targets.push_back(ignored ? -1 : static_cast<int32_t>(random.between(0, config.vocab_size - 1)));
  }
  return group;
}

Subnetwork small_subnetwork() {
  Subnetwork subnetwork;
  subnetwork.has_layers = true;
  subnetwork.layers = {0, 2};
  subnetwork.heads = {{0, 2}, {1}};
  subnetwork.neurons = {{0, 3, 4, 11, 16}, {}};
  subnetwork.head_scale = {3.0 / 2, 3};
  subnetwork.neuron_scale = {17.0 / 5, 1};
  return subnetwork;
}

Subnetwork small_nested() {
  Subnetwork subnetwork;
  subnetwork.has_layers = true;
  subnetwork.layers = {0, 1};
  subnetwork.heads = {{0, 1}, {0}};
  subnetwork.neurons = {{0, 1, 2, 3, 4}, {}};
  return subnetwork;
}

Subnetwork with_layer_scale(Subnetwork subnetwork, double factor, size_t layers) {
  subnetwork.layer_scale.assign(layers, factor);
  return subnetwork;
}

OptimizerStep optimizer_step(int64_t step, bool freeze) {
  return {1e-2, 0.9, 0.95, 1e-8, 0.1, 1.0, step, freeze, 0.95};
}

namespace {

double norm(const Doubles& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

}  // namespace

void check_tensors(const Model& model, const std::vector<Doubles>& actual, const std::vector<Doubles>& expected,
                   double relative) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const Tensor& tensor = model.tensors()[i];
    const Note note(std::string(tensor.name) + " of layer " + std::to_string(tensor.layer));
    Doubles difference(expected[i]);
    for (size_t j = 0; j < difference.size(); ++j) difference[j] -= actual[i][j];
    // The gradient of a key bias, and of what feeds a norm of one element, is nothing but rounding.
    CHECK_NEAR(norm(difference), 0, relative * (norm(expected[i]) + 1e-2));
  }
}

bool same(const Work& a, const Work& b) {
  return a.qkv == b.qkv && a.scores == b.scores && a.out_projection == b.out_projection && a.mlp == b.mlp &&
         a.head == b.head;
}

}  // namespace burgeon::test
