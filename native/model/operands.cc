#include "model/operands.h"

#include <type_traits>

#include "core/bfloat16.h"

namespace burgeon {

namespace {

bool has_row_list(const Tensor& tensor) {
  return tensor.sampled == Sampled::kQkvRows || tensor.sampled == Sampled::kHeadRows ||
         tensor.sampled == Sampled::kNeurons;
}

bool is_matrix(const Tensor& tensor) { return tensor.decays; }  // of a layer: exactly these

struct RowList {
  const int32_t* rows;
  int64_t count;
};

template <class T>
RowList row_list(const Tensor& tensor, const LayerOperands<T>& operands) {
  switch (tensor.sampled) {
    case Sampled::kQkvRows:
      return {operands.qkv_rows, operands.qkv_count};
    case Sampled::kHeadRows:
      return {operands.head_rows, operands.head_count};
    case Sampled::kNeurons:
      return {operands.neuron_rows, operands.neuron_count};
    default:
      return {nullptr, tensor.rows};
  }
}

}  // namespace

template <class T>
Operands<T>::Operands(const ModelConfig& config, const Ops<T>& ops, const Parameters<M>& parameters, Device& device)
    : config_(config), ops_(ops), parameters_(parameters), device_(device) {
  const std::vector<Tensor>& tensors = parameters.tensors();
  first_ = 0;
  while (tensors[static_cast<size_t>(first_)].layer < 0) ++first_;
  tensors_per_layer_ = (static_cast<int64_t>(tensors.size()) - first_) / config.n_layer;
  list_capacity_ = config.n_layer * (config.qkv_width() + config.n_inner);
  layers_.reserve(static_cast<size_t>(config.n_layer));
  layer_of_.reserve(static_cast<size_t>(config.n_layer));
  slots_.resize(static_cast<size_t>(config.n_layer));
  arena_ = Arena(device, place(nullptr), "lists and gathered weights", parameters.bytes());
  place(arena_.data());
}

template <class T>
size_t Operands<T>::place(char* base) {
  constexpr bool kSameType = std::is_same_v<T, M>;
  ArenaCursor cursor(base);
  lists_ = cursor.take<int32_t>(list_capacity_);
  if (!ops_.compact) return cursor.used();
  if (!kSameType) head_slot_ = cursor.take<T>(config_.vocab_size * config_.n_embd);
  const Tensor* tensors = layer_tensors(0);
  for (int64_t i = 0; i < tensors_per_layer_; ++i) {
    if (has_row_list(tensors[i])) gradient_slots_[tensors[i].kind] = cursor.take<M>(tensors[i].size());
  }
  for (Slots& slots : slots_) {
    for (int64_t i = 0; i < tensors_per_layer_; ++i) {
      const Tensor& tensor = tensors[i];
      if (!has_row_list(tensor)) continue;
      if (is_matrix(tensor)) {
        slots.matrix[tensor.kind] = cursor.take<T>(tensor.size());
      } else {
        slots.vector[tensor.kind] = cursor.take<M>(tensor.size());
      }
    }
  }
  return cursor.used();
}

template <class T>
const int32_t* Operands<T>::upload(const std::vector<int32_t>& lists) {
  if (!lists.empty()) device_.write(lists_, lists.data(), lists.size() * sizeof(int32_t));
  return lists_;
}

template <class T>
void Operands<T>::prepare(OpContext& ctx, const SubnetworkPlan& plan) {
  const int32_t* lists = upload(plan.rows());
  const auto on_device = [&](const int32_t* rows) { return rows ? lists + (rows - plan.rows().data()) : nullptr; };
  const bool gathers = ops_.compact && !(holds_ == Holds::kAll && plan.complete());
  if constexpr (std::is_same_v<T, M>) {
    head_ = parameters_.global(Role::kWeight, config_.tied_head ? kWte : kHeadw);
  } else {
    if (holds_ == Holds::kNothing) {
      ops_.gather_matrix(ctx, head_slot_, parameters_.global(Role::kWeight, config_.tied_head ? kWte : kHeadw), nullptr,
                         config_.vocab_size, config_.n_embd);
    }
    head_ = head_slot_;
  }
  layers_.clear();
  layer_of_.clear();
  for (size_t i = 0; i < plan.layers().size(); ++i) {
    const ActiveLayer& active = plan.layers()[i];
    LayerOperands<T> operands{};
    operands.qkv_rows = on_device(active.qkv_rows);
    operands.head_rows = on_device(active.head_rows);
    operands.neuron_rows = on_device(active.neuron_rows);
    operands.qkv_count = (active.heads + 2 * active.kv_heads) * config_.head_size;
    operands.head_count = active.heads * config_.head_size;
    operands.neuron_count = active.neurons;
    for (int64_t k = 0; k < tensors_per_layer_; ++k) {
      const Tensor& tensor = layer_tensors(active.layer)[k];
      operands.gradient[tensor.kind] = parameters_.data(Role::kGradient, tensor);
      if (ops_.compact) {
        gather(gathers ? &ctx : nullptr, tensor, operands, slots_[i]);
      } else if (is_matrix(tensor)) {
        if constexpr (std::is_same_v<T, M>) operands.matrix[tensor.kind] = parameters_.data(Role::kWeight, tensor);
      } else {
        operands.vector[tensor.kind] = parameters_.data(Role::kWeight, tensor);
      }
    }
    layers_.push_back(operands);
    layer_of_.push_back(active.layer);
  }
  holds_ = plan.complete() ? Holds::kAll : Holds::kHead;
}

// Points to the slots of a tensor, or to the master where that serves as it is. With `ctx` fills the slots.
template <class T>
void Operands<T>::gather(OpContext* ctx, const Tensor& tensor, LayerOperands<T>& operands, const Slots& slots) {
  const M* master = parameters_.data(Role::kWeight, tensor);
  const auto [rows, count] = row_list(tensor, operands);
  if (rows) {
    operands.gradient[tensor.kind] = gradient_slots_[tensor.kind];
    operands.compact[tensor.kind] = true;
  }
  if (!is_matrix(tensor)) {
    operands.vector[tensor.kind] = rows ? slots.vector[tensor.kind] : master;
    if (rows && ctx) ops_.gather_vector(*ctx, slots.vector[tensor.kind], master, rows, count, 1);
    return;
  }
  if constexpr (std::is_same_v<T, M>) {
    if (!rows) {
      operands.matrix[tensor.kind] = master;
      return;
    }
  }
  operands.matrix[tensor.kind] = slots.matrix[tensor.kind];
  if (ctx) ops_.gather_matrix(*ctx, slots.matrix[tensor.kind], master, rows, count, tensor.cols);
}

template <class T>
void Operands<T>::add_gradients(OpContext& ctx, size_t i) {
  const LayerOperands<T>& operands = layers_[i];
  for (int64_t k = 0; k < tensors_per_layer_; ++k) {
    const Tensor& tensor = layer_tensors(layer_of_[i])[k];
    if (!operands.compact[tensor.kind]) continue;
    const auto [rows, count] = row_list(tensor, operands);
    ops_.scatter_add(ctx, parameters_.data(Role::kGradient, tensor), operands.gradient[tensor.kind], rows, count,
                     tensor.cols);
  }
}

template class Operands<float>;
template class Operands<double>;
template class Operands<bfloat16>;

}  // namespace burgeon
