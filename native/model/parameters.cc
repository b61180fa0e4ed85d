#include "model/parameters.h"

#include <string>

#include "core/error.h"

namespace burgeon {

namespace {

// Every tensor starts on a cache line.
int64_t in_lines(int64_t elements) { return (elements + 15) / 16 * 16; }

}  // namespace

std::vector<Tensor> list_tensors(const ModelConfig& config) {
  const int64_t C = config.n_embd;
  const int64_t F = config.n_inner;
  std::vector<Tensor> tensors;
  int64_t offset = 0;
  const auto add = [&](const char* name, int kind, int64_t layer, int64_t rows, int64_t cols, Sampled sampled,
                       bool decays) {
    const bool is_orthogonalised = config.optimizer == Optimizer::kMuon && layer >= 0 && decays;
    tensors.push_back({kind, name, layer, rows, cols, sampled, decays, offset, 0, is_orthogonalised ? -1 : 0});
    offset += in_lines(rows * cols);
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
Parameters<T>::Parameters(const ModelConfig& config, Device& device, RowShards shards)
    : device_(device), shards_(shards), tensors_(list_tensors(config)) {
  places_.assign(static_cast<size_t>(kGlobalTensors + config.n_layer * kLayerTensors), -1);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    Tensor& tensor = tensors_[i];
    const int64_t first = tensor.layer < 0 ? 0 : kGlobalTensors + tensor.layer * kLayerTensors;
    places_[static_cast<size_t>(first + tensor.kind)] = static_cast<int64_t>(i);
    const int64_t own = in_lines(shards_.own_rows(tensor) * tensor.cols);
    tensor.state_offset = state_count_;
    state_count_ += own;
    if (tensor.second_offset < 0) continue;
    tensor.second_offset = second_count_;
    second_count_ += own;
  }
  count_ = tensors_.back().offset + in_lines(tensors_.back().size());
}

template <class T>
void Parameters<T>::allocate() {
  arena_ = Arena(device_, bytes(), kUse);
  T* next = reinterpret_cast<T*>(arena_.data());
  for (int role = 0; role < kRoles; ++role) {
    arrays_[role] = next;
    next += count(static_cast<Role>(role));
  }
}

template <class T>
void Parameters<T>::require_here(Role role, const Tensor& tensor) const {
  if (!data(role, tensor)) {
    throw Error(ErrorCode::kShape,
                std::string("v of ") + tensor.name +
                    ": expected a tensor with a second moment; with Muon matrices of layers have none");
  }
  if (!is_state(role) || !shards_.divides()) return;
  throw Error(ErrorCode::kShape, std::string(tensor.name) +
                                     ": expected moments that are here, found them divided over " +
                                     std::to_string(shards_.size()) + " ranks; a checkpoint has all");
}

template <class T>
void Parameters<T>::clear_gradients() {
  device_.clear(arrays_[static_cast<int>(Role::kGradient)], static_cast<size_t>(count_) * sizeof(T));
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace burgeon
