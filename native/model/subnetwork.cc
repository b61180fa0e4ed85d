#include "model/subnetwork.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace burgeon {

namespace {

// `owner` is the position of the layer a list belongs to, -1 for the list of layers itself.
void check_list(const char* name, int64_t owner, const std::vector<int32_t>& list, int64_t limit) {
  for (size_t i = 0; i < list.size(); ++i) {
    const bool in_range = list[i] >= 0 && list[i] < limit;
    if (in_range && (i == 0 || list[i] > list[i - 1])) continue;
    const std::string entry = std::string("subnetwork.") + name + (owner < 0 ? "" : "[" + std::to_string(owner) + "]") +
                              "[" + std::to_string(i) + "]";
    const std::string came = std::to_string(list[i]);
    if (!in_range) {
      throw Error(ErrorCode::kShape,
                  entry + ": expected an index in [0, " + std::to_string(limit) + "), received " + came);
    }
    throw Error(ErrorCode::kShape, entry + ": expected ascending indices without repetition, received " + came +
                                       " after " + std::to_string(list[i - 1]));
  }
}

void check_count(const char* name, size_t lists, size_t layers) {
  if (lists == 0 || lists == layers) return;
  throw Error(ErrorCode::kShape, std::string("subnetwork.") + name + ": expected one list per active layer (" +
                                     std::to_string(layers) + "), received " + std::to_string(lists));
}

// Appends the rows of the queries, keys and values of `heads`; each head is head_size consecutive rows of its third.
void append_qkv_rows(const ModelConfig& config, const std::vector<int32_t>& heads, std::vector<int32_t>& rows) {
  const int64_t HS = config.head_size();
  for (int64_t part = 0; part < 3; ++part) {
    for (const int32_t head : heads) {
      for (int64_t d = 0; d < HS; ++d) {
        rows.push_back(static_cast<int32_t>(part * config.n_embd + head * HS + d));
      }
    }
  }
}

}  // namespace

SubnetworkPlan::SubnetworkPlan(const ModelConfig& config) : config_(config) {
  layers_.reserve(config.n_layer);
  rows_.reserve(config.n_layer * (3 * config.n_embd + config.n_inner));
}

void SubnetworkPlan::assign(const Subnetwork* subnetwork) {
  layers_.clear();
  rows_.clear();
  const bool sampled_layers = subnetwork && subnetwork->has_layers;
  const size_t count = sampled_layers ? subnetwork->layers.size() : static_cast<size_t>(config_.n_layer);
  if (subnetwork) {
    if (count == 0)
      throw Error(ErrorCode::kShape, "subnetwork.layers: expected at least one active layer, received none");
    check_list("layers", -1, subnetwork->layers, config_.n_layer);
    check_count("heads", subnetwork->heads.size(), count);
    check_count("neurons", subnetwork->neurons.size(), count);
  }
  for (size_t i = 0; i < count; ++i) {
    ActiveLayer active{};
    active.layer = sampled_layers ? subnetwork->layers[i] : static_cast<int64_t>(i);
    active.heads = config_.n_head;
    active.neurons = config_.n_inner;
    if (subnetwork && !subnetwork->heads.empty() && !subnetwork->heads[i].empty()) {
      const auto& heads = subnetwork->heads[i];
      check_list("heads", static_cast<int64_t>(i), heads, config_.n_head);
      active.heads = static_cast<int64_t>(heads.size());
      if (active.heads < config_.n_head) {
        active.qkv_rows = rows_.data() + rows_.size();
        active.head_rows = active.qkv_rows;
        append_qkv_rows(config_, heads, rows_);
      }
    }
    if (subnetwork && !subnetwork->neurons.empty() && !subnetwork->neurons[i].empty()) {
      const auto& neurons = subnetwork->neurons[i];
      check_list("neurons", static_cast<int64_t>(i), neurons, config_.n_inner);
      active.neurons = static_cast<int64_t>(neurons.size());
      if (active.neurons < config_.n_inner) {
        active.neuron_rows = rows_.data() + rows_.size();
        rows_.insert(rows_.end(), neurons.begin(), neurons.end());
      }
    }
    active.head_scale = static_cast<double>(config_.n_head) / static_cast<double>(active.heads);
    active.neuron_scale = static_cast<double>(config_.n_inner) / static_cast<double>(active.neurons);
    layers_.push_back(active);
  }
}

TouchedUnits::TouchedUnits(const ModelConfig& config)
    : config_(config),
      layers_(config.n_layer),
      heads_(config.n_layer * config.n_head),
      neurons_(config.n_layer * config.n_inner) {
  qkv_rows_.reserve(3 * config.n_embd);
  neuron_rows_.reserve(config.n_inner);
}

void TouchedUnits::clear() {
  std::fill(layers_.begin(), layers_.end(), 0);
  std::fill(heads_.begin(), heads_.end(), 0);
  std::fill(neurons_.begin(), neurons_.end(), 0);
}

void TouchedUnits::add(const SubnetworkPlan& plan, const Subnetwork* subnetwork) {
  for (size_t i = 0; i < plan.layers().size(); ++i) {
    const ActiveLayer& active = plan.layers()[i];
    layers_[active.layer] = 1;
    uint8_t* heads = heads_.data() + active.layer * config_.n_head;
    uint8_t* neurons = neurons_.data() + active.layer * config_.n_inner;
    if (active.head_rows) {
      for (const int32_t head : subnetwork->heads[i]) heads[head] = 1;
    } else {
      std::fill(heads, heads + config_.n_head, 1);
    }
    if (active.neuron_rows) {
      for (const int32_t neuron : subnetwork->neurons[i]) neurons[neuron] = 1;
    } else {
      std::fill(neurons, neurons + config_.n_inner, 1);
    }
  }
}

TouchedUnits::Rows TouchedUnits::rows(int64_t layer) {
  const int64_t HS = config_.head_size();
  const uint8_t* heads = heads_.data() + layer * config_.n_head;
  const uint8_t* neurons = neurons_.data() + layer * config_.n_inner;
  qkv_rows_.clear();
  neuron_rows_.clear();
  for (int64_t part = 0; part < 3; ++part) {
    for (int64_t row = 0; row < config_.n_embd; ++row) {
      if (heads[row / HS]) qkv_rows_.push_back(static_cast<int32_t>(part * config_.n_embd + row));
    }
  }
  for (int64_t row = 0; row < config_.n_inner; ++row) {
    if (neurons[row]) neuron_rows_.push_back(static_cast<int32_t>(row));
  }
  Rows result{};
  result.head_count = static_cast<int64_t>(qkv_rows_.size()) / 3;
  result.neuron_count = static_cast<int64_t>(neuron_rows_.size());
  if (result.head_count < config_.n_embd) result.qkv = result.head = qkv_rows_.data();
  if (result.neuron_count < config_.n_inner) result.neurons = neuron_rows_.data();
  return result;
}

}  // namespace burgeon
