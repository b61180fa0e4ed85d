#include "model/subnetwork.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/collectives.h"
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

// As many query heads of every key and value head, so that each of those serves the same number.
void check_even(const ModelConfig& config, size_t owner, const std::vector<int32_t>& heads) {
  const int64_t each = static_cast<int64_t>(heads.size()) / config.n_kv_head;
  const auto is_wrong = [&](int64_t kv_head) {
    const int64_t first = kv_head * config.queries_per_kv_head();
    const int64_t count = std::count_if(heads.begin(), heads.end(), [&](int32_t head) {
      return head >= first && head < first + config.queries_per_kv_head();
    });
    return count != each || each == 0;
  };
  for (int64_t kv_head = 0; kv_head < config.n_kv_head; ++kv_head) {
    if (!is_wrong(kv_head)) continue;
    throw Error(ErrorCode::kShape, "subnetwork.queryHeads[" + std::to_string(owner) + "]: expected as many of the " +
                                       std::to_string(config.queries_per_kv_head()) +
                                       " query heads of every key and value head, at least one, received " +
                                       std::to_string(heads.size()) + " heads spread unevenly");
  }
}

void check_scale(const char* name, const std::vector<double>& scales, size_t layers) {
  const auto path = [&] { return std::string("subnetwork.") + name; };
  if (!scales.empty() && scales.size() != layers) {
    throw Error(ErrorCode::kShape, path() + ": expected one factor per active layer (" + std::to_string(layers) +
                                       "), received " + std::to_string(scales.size()));
  }
  for (size_t i = 0; i < scales.size(); ++i) {
    if (std::isfinite(scales[i])) continue;
    throw Error(ErrorCode::kShape, path() + "[" + std::to_string(i) + "]: expected a finite number, received " +
                                       std::to_string(scales[i]));
  }
}

// Whether a list that was checked is 0, 1, 2, ...
bool are_first(const std::vector<int32_t>& list) { return static_cast<size_t>(list.back()) + 1 == list.size(); }

}  // namespace

Extent whole_extent(const ModelConfig& config) {
  return {config.n_layer, config.n_head, config.n_kv_head, config.n_inner};
}

SubnetworkPlan::SubnetworkPlan(const ModelConfig& config) : config_(config) {
  layers_.reserve(config.n_layer);
  rows_.reserve(config.n_layer * (config.qkv_width() + config.n_inner));
}

void SubnetworkPlan::append_heads(int64_t first, int64_t count) {
  for (int64_t row = first * config_.head_size; row < (first + count) * config_.head_size; ++row) {
    rows_.push_back(static_cast<int32_t>(row));
  }
}

// Queries, keys and values lie one after another in qkvw, so even the first heads are three runs of its rows.
void SubnetworkPlan::assign_heads(const std::vector<int32_t>& heads, size_t owner, ActiveLayer* active) {
  check_list("heads", static_cast<int64_t>(owner), heads, config_.n_kv_head);
  const int64_t shared = config_.queries_per_kv_head();
  active->kv_heads = static_cast<int64_t>(heads.size());
  active->heads = active->kv_heads * shared;
  if (active->kv_heads == config_.n_kv_head) return;
  active->rows.qkv.rows = rows_.data() + rows_.size();
  if (!are_first(heads)) active->rows.heads.rows = active->rows.qkv.rows;
  const int64_t keys = config_.n_head;
  const int64_t values = keys + config_.n_kv_head;
  for (const int32_t head : heads) append_heads(head * shared, shared);
  for (const int32_t head : heads) append_heads(keys + head, 1);
  for (const int32_t head : heads) append_heads(values + head, 1);
}

void SubnetworkPlan::assign_query_heads(const std::vector<int32_t>& heads, size_t owner, ActiveLayer* active) {
  check_list("queryHeads", static_cast<int64_t>(owner), heads, config_.n_head);
  check_even(config_, owner, heads);
  active->heads = static_cast<int64_t>(heads.size());
  if (active->heads == config_.n_head) return;
  active->rows.qkv.rows = rows_.data() + rows_.size();
  if (!are_first(heads)) active->rows.heads.rows = active->rows.qkv.rows;
  for (const int32_t head : heads) append_heads(head, 1);
  append_heads(config_.n_head, 2 * config_.n_kv_head);
}

void SubnetworkPlan::assign_neurons(const std::vector<int32_t>& neurons, size_t owner, ActiveLayer* active) {
  check_list("neurons", static_cast<int64_t>(owner), neurons, config_.n_inner);
  active->neurons = static_cast<int64_t>(neurons.size());
  if (are_first(neurons)) return;
  active->rows.neurons.rows = rows_.data() + rows_.size();
  rows_.insert(rows_.end(), neurons.begin(), neurons.end());
}

void SubnetworkPlan::assign(const Subnetwork& subnetwork) {
  layers_.clear();
  rows_.clear();
  const size_t count = subnetwork.has_layers ? subnetwork.layers.size() : static_cast<size_t>(config_.n_layer);
  if (count == 0)
    throw Error(ErrorCode::kShape, "subnetwork.layers: expected at least one active layer, received none");
  check_list("layers", -1, subnetwork.layers, config_.n_layer);
  check_count("heads", subnetwork.heads.size(), count);
  check_count("queryHeads", subnetwork.query_heads.size(), count);
  if (!subnetwork.heads.empty() && !subnetwork.query_heads.empty()) {
    throw Error(ErrorCode::kShape, "subnetwork: expected heads or queryHeads, received both");
  }
  check_count("neurons", subnetwork.neurons.size(), count);
  check_scale("layerScale", subnetwork.layer_scale, count);
  check_scale("headScale", subnetwork.head_scale, count);
  check_scale("neuronScale", subnetwork.neuron_scale, count);
  extent_ = {static_cast<int64_t>(count), 0, 0, 0};
  for (size_t i = 0; i < count; ++i) {
    const auto scale = [&](const std::vector<double>& scales) { return scales.empty() ? 1.0 : scales[i]; };
    ActiveLayer active{};
    active.layer = subnetwork.has_layers ? subnetwork.layers[i] : static_cast<int64_t>(i);
    active.heads = config_.n_head;
    active.kv_heads = config_.n_kv_head;
    active.neurons = config_.n_inner;
    active.layer_scale = scale(subnetwork.layer_scale);
    active.head_scale = scale(subnetwork.head_scale);
    active.neuron_scale = scale(subnetwork.neuron_scale);
    const auto is_listed = [&](const std::vector<std::vector<int32_t>>& lists) {
      return !lists.empty() && !lists[i].empty();
    };
    if (is_listed(subnetwork.heads)) assign_heads(subnetwork.heads[i], i, &active);
    if (is_listed(subnetwork.query_heads)) assign_query_heads(subnetwork.query_heads[i], i, &active);
    if (is_listed(subnetwork.neurons)) assign_neurons(subnetwork.neurons[i], i, &active);
    active.rows.qkv.count = (active.heads + 2 * active.kv_heads) * config_.head_size;
    active.rows.heads.count = active.heads * config_.head_size;
    active.rows.neurons.count = active.neurons;
    active.rows.keys = active.kv_heads * config_.head_size;
    extent_.heads = std::max(extent_.heads, active.heads);
    extent_.kv_heads = std::max(extent_.kv_heads, active.kv_heads);
    extent_.neurons = std::max(extent_.neurons, active.neurons);
    layers_.push_back(active);
  }
}

TouchedUnits::TouchedUnits(const ModelConfig& config)
    : config_(config),
      qkv_heads_each_(config.n_head + 2 * config.n_kv_head),
      layers_(config.n_layer),
      qkv_heads_(config.n_layer * qkv_heads_each_),
      neurons_(config.n_layer * config.n_inner),
      places_(config.n_layer) {
  lists_.reserve(config.n_layer * (config.qkv_width() + config.n_inner));
}

void TouchedUnits::clear() {
  std::fill(layers_.begin(), layers_.end(), 0);
  std::fill(qkv_heads_.begin(), qkv_heads_.end(), 0);
  std::fill(neurons_.begin(), neurons_.end(), 0);
}

void TouchedUnits::add(const SubnetworkPlan& plan) {
  for (const ActiveLayer& active : plan.layers()) {
    layers_[active.layer] = 1;
    uint8_t* heads = qkv_heads_.data() + active.layer * qkv_heads_each_;
    uint8_t* neurons = neurons_.data() + active.layer * config_.n_inner;
    if (const auto [rows, count] = active.rows.qkv; rows) {
      for (int64_t i = 0; i < count; i += config_.head_size) heads[rows[i] / config_.head_size] = 1;
    } else {
      std::fill(heads, heads + qkv_heads_each_, 1);
    }
    if (const auto [rows, count] = active.rows.neurons; rows) {
      for (int64_t i = 0; i < count; ++i) neurons[rows[i]] = 1;
    } else {
      std::fill(neurons, neurons + count, 1);
    }
  }
}

void TouchedUnits::add(const Tensor& tensor, int64_t row, int64_t rows) {
  if (tensor.layer < 0) return;
  layers_[tensor.layer] = 1;
  const auto mark = [&](std::vector<uint8_t>& units, int64_t each, int64_t rows_per_unit) {
    uint8_t* const first = units.data() + tensor.layer * each;
    std::fill(first + row / rows_per_unit, first + (row + rows - 1) / rows_per_unit + 1, 1);
  };
  if (tensor.sampled == Sampled::kNeurons) mark(neurons_, config_.n_inner, 1);
  if (tensor.sampled == Sampled::kQkvRows || tensor.sampled == Sampled::kHeadRows) {
    mark(qkv_heads_, qkv_heads_each_, config_.head_size);  // queries come first, and have the rows of attprojw
  }
}

UnitRows TouchedUnits::rows(int64_t layer, const int32_t* lists) const {
  const Places& places = places_[layer];
  const auto list = [&](int64_t first, int64_t count) { return RowList{first < 0 ? nullptr : lists + first, count}; };
  return {list(places.qkv, places.qkv_count), list(places.heads, places.head_count),
          list(places.neurons, places.neuron_count), places.key_count};
}

void TouchedUnits::unite_with(Communicator& ranks, std::vector<uint8_t>* scratch) {
  std::vector<uint8_t> flags;
  for (const std::vector<uint8_t>* each : {&layers_, &qkv_heads_, &neurons_}) {
    flags.insert(flags.end(), each->begin(), each->end());
  }
  unite(ranks, flags.data(), static_cast<int64_t>(flags.size()), scratch, "what was trained");
  auto from = flags.begin();
  for (std::vector<uint8_t>* each : {&layers_, &qkv_heads_, &neurons_}) {
    std::copy(from, from + static_cast<int64_t>(each->size()), each->begin());
    from += static_cast<int64_t>(each->size());
  }
}

bool TouchedUnits::covers(const TouchedUnits& other) const {
  const auto all = [](const std::vector<uint8_t>& ours, const std::vector<uint8_t>& theirs) {
    return std::equal(ours.begin(), ours.end(), theirs.begin(), [](uint8_t a, uint8_t b) { return a >= b; });
  };
  return all(layers_, other.layers_) && all(qkv_heads_, other.qkv_heads_) && all(neurons_, other.neurons_);
}

void TouchedUnits::list() {
  const int64_t HS = config_.head_size;
  const int64_t keys_end = config_.query_width() + config_.n_kv_head * HS;
  lists_.clear();
  const auto end = [&] { return static_cast<int64_t>(lists_.size()); };
  // Whether `count` ascending entries from `first` on are 0, 1, 2, ...
  const auto are_first = [&](int64_t first, int64_t count) {
    return count == 0 || lists_[static_cast<size_t>(first + count - 1)] + 1 == count;
  };
  for (int64_t layer = 0; layer < config_.n_layer; ++layer) {
    if (!layers_[layer]) continue;
    const uint8_t* heads = qkv_heads_.data() + layer * qkv_heads_each_;
    const uint8_t* neurons = neurons_.data() + layer * config_.n_inner;
    Places rows{end(), end(), 0, 0, 0, 0, 0};
    for (int64_t row = 0; row < config_.qkv_width(); ++row) {
      if (heads[row / HS]) lists_.push_back(static_cast<int32_t>(row));
      if (row + 1 == config_.query_width()) rows.head_count = end() - rows.qkv;  // the queries come first
      if (row + 1 == keys_end) rows.key_count = end() - rows.qkv - rows.head_count;
    }
    rows.qkv_count = end() - rows.qkv;
    rows.neurons = end();
    for (int64_t row = 0; row < config_.n_inner; ++row) {
      if (neurons[row]) lists_.push_back(static_cast<int32_t>(row));
    }
    rows.neuron_count = end() - rows.neurons;
    if (are_first(rows.neurons, rows.neuron_count)) rows.neurons = -1;
    if (are_first(rows.heads, rows.head_count)) rows.heads = -1;
    if (are_first(rows.qkv, rows.qkv_count)) rows.qkv = -1;
    places_[layer] = rows;
  }
}

}  // namespace burgeon
