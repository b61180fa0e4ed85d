#include "model/parameters.h"

namespace burgeon {

std::vector<Tensor> list_tensors(const ModelConfig& config) {
  const int64_t C = config.n_embd;
  const int64_t F = config.n_inner;
  std::vector<Tensor> tensors;
  int64_t offset = 0;
  int64_t second_offset = 0;
  const auto add = [&](const char* name, int kind, int64_t layer, int64_t rows, int64_t cols, Sampled sampled,
                       bool decays) {
    const bool is_orthogonalised = config.optimizer == Optimizer::kMuon && layer >= 0 && decays;
    tensors.push_back({kind, name, layer, rows, cols, sampled, decays, offset, is_orthogonalised ? -1 : second_offset});
    const int64_t elements = (rows * cols + 15) / 16 * 16;  // every tensor starts on a cache line
    offset += elements;
    if (!is_orthogonalised) second_offset += elements;
  };
  add("wte", kWte, -1, config.vocab_size, C, Sampled::kNever, true);
  if (!config.rotary()) add("wpe", kWpe, -1, config.context_length, C, Sampled::kNever, true);
  add("lnfw", kLnfw, -1, C, 1, Sampled::kNever, false);
  if (!config.rms_norm) add("lnfb", kLnfb, -1, C, 1, Sampled::kNever, false);
  if (!config.tied_head) add("headw", kHeadw, -1, config.vocab_size, C, Sampled::kNever, true);
  for (int64_t layer = 0; layer < config.n_layer; ++layer) {
    const auto weight = [&](const char* name, LayerTensor kind, int64_t rows, Sampled sampled) {
      add(name, kind, layer, rows, C, sampled, true);
    };
    const auto vector = [&](const char* name, LayerTensor kind, int64_t size, Sampled sampled, bool exists) {
      if (exists) add(name, kind, layer, size, 1, sampled, false);
    };
    vector("ln1w", kLn1w, C, Sampled::kByLayer, true);
    vector("ln1b", kLn1b, C, Sampled::kByLayer, !config.rms_norm);
    weight("qkvw", kQkvw, config.qkv_width(), Sampled::kQkvRows);
    vector("qkvb", kQkvb, config.qkv_width(), Sampled::kQkvRows, config.qkv_bias);
    weight("attprojw", kAttprojw, config.query_width(), Sampled::kHeadRows);
    vector("attprojb", kAttprojb, C, Sampled::kByLayer, config.attproj_bias);
    vector("ln2w", kLn2w, C, Sampled::kByLayer, true);
    vector("ln2b", kLn2b, C, Sampled::kByLayer, !config.rms_norm);
    if (config.mlp == MlpKind::kSwiglu) {
      weight("gatew", kGatew, F, Sampled::kNeurons);
      vector("gateb", kGateb, F, Sampled::kNeurons, config.mlp_bias);
    }
    weight("fcw", kFcw, F, Sampled::kNeurons);
    vector("fcb", kFcb, F, Sampled::kNeurons, config.mlp_bias);
    weight("fcprojw", kFcprojw, F, Sampled::kNeurons);
    vector("fcprojb", kFcprojb, C, Sampled::kByLayer, config.mlp_bias);
  }
  return tensors;
}

RowList UnitRows::of(const Tensor& tensor) const {
  switch (tensor.sampled) {
    case Sampled::kQkvRows:
      return qkv;
    case Sampled::kHeadRows:
      return heads;
    case Sampled::kNeurons:
      return neurons;
    default:
      return {nullptr, tensor.rows};
  }
}

UnitRows whole_rows(const ModelConfig& config) {
  return {{nullptr, config.qkv_width()},
          {nullptr, config.query_width()},
          {nullptr, config.n_inner},
          config.n_kv_head * config.head_size};
}

template <class T>
Parameters<T>::Parameters(const ModelConfig& config, Device& device) : device_(device), tensors_(list_tensors(config)) {
  places_.assign(static_cast<size_t>(kGlobalTensors + config.n_layer * kLayerTensors), -1);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& tensor = tensors_[i];
    const int64_t first = tensor.layer < 0 ? 0 : kGlobalTensors + tensor.layer * kLayerTensors;
    places_[static_cast<size_t>(first + tensor.kind)] = static_cast<int64_t>(i);
  }
  for (const Tensor& tensor : tensors_) {
    const int64_t elements = (tensor.size() + 15) / 16 * 16;
    count_ += elements;
    if (tensor.second_offset >= 0) second_count_ += elements;
  }
}

template <class T>
void Parameters<T>::allocate() {
  arena_ = Arena(device_, bytes(), kUse);
  for (int role = 0; role < kRoles; ++role) arrays_[role] = reinterpret_cast<T*>(arena_.data()) + role * count_;
}

template <class T>
void Parameters<T>::clear_gradients() {
  device_.clear(arrays_[static_cast<int>(Role::kGradient)], static_cast<size_t>(count_) * sizeof(T));
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace burgeon
