#include "model/operands.h"

#include <type_traits>

#include "core/bfloat16.h"

namespace burgeon {

namespace {

bool has_row_list(const Tensor& tensor) {
  return tensor.sampled == Sampled::kQkvRows || tensor.sampled == Sampled::kHeadRows ||
         tensor.sampled == Sampled::kNeurons;
}

// Whose rows are padded with zeros.
bool has_neurons(const Tensor& tensor) { return tensor.sampled == Sampled::kNeurons; }

bool is_matrix(const Tensor& tensor) { return tensor.decays; }  // of a layer: exactly these

// What makes the operands of one plan others than those of the next: the active layers, and their rows.
void describe(const SubnetworkPlan& plan, std::vector<int32_t>* description) {
  description->clear();
  description->push_back(plan.nested());
  for (const ActiveLayer& active : plan.layers()) {
    for (const int64_t number : {active.layer, active.heads, active.kv_heads, active.neurons}) {
      description->push_back(static_cast<int32_t>(number));
    }
  }
  description->insert(description->end(), plan.rows().begin(), plan.rows().end());
}

}  // namespace

template <class T, class W>
Operands<T, W>::Operands(const ModelConfig& config, const Ops<T, W>& ops, const Parameters<M>& parameters,
                         Device& device)
    : config_(config), ops_(ops), parameters_(parameters), device_(device) {
  const std::vector<Tensor>& tensors = parameters.tensors();
  first_ = 0;
  while (tensors[static_cast<size_t>(first_)].layer < 0) ++first_;
  tensors_per_layer_ = (static_cast<int64_t>(tensors.size()) - first_) / config.n_layer;
  list_capacity_ = config.n_layer * (config.qkv_width() + config.n_inner);
  const size_t layers = static_cast<size_t>(config.n_layer);
  layers_.reserve(layers);
  layer_of_.reserve(layers);
  slots_.resize(layers);
  host_lists_.reserve(static_cast<size_t>(list_capacity_));
  described_.reserve(1 + 4 * layers + static_cast<size_t>(list_capacity_));
  description_.reserve(described_.capacity());
  if (ops.compact) {
    matrices_.reserve(tensors.size());
    vectors_.reserve(tensors.size());
    scattered_.reserve(tensors.size());
  }
  bytes_ = place(nullptr);
}

template <class T, class W>
void Operands<T, W>::allocate() {
  arena_ = Arena(device_, bytes_, "lists and gathered weights", parameters_.bytes());
  place(arena_.data());
}

template <class T, class W>
size_t Operands<T, W>::place(char* base) {
  ArenaCursor cursor(base, ops_.alignment);
  const auto elements = [&](const Tensor& tensor) {
    return has_neurons(tensor) ? ops_.padded(tensor.rows) * tensor.cols : tensor.size();
  };
  lists_ = cursor.take<int32_t>(list_capacity_);
  if (!ops_.compact) return cursor.used();
  if (!std::is_same_v<W, M>) head_slot_ = cursor.take<W>(ops_.padded(config_.vocab_size) * config_.n_embd);
  const Tensor* tensors = layer_tensors(0);
  for (Slots& slots : slots_) {
    for (int64_t k = 0; k < tensors_per_layer_; ++k) {
      const Tensor& tensor = tensors[k];
      if (is_matrix(tensor)) {
        slots.matrix[tensor.kind] = cursor.take<W>(elements(tensor));
      } else {
        slots.vector[tensor.kind] = cursor.take<M>(elements(tensor));
      }
      if (has_row_list(tensor)) slots.gradient[tensor.kind] = cursor.take<M>(tensor.size());
    }
  }
  const size_t begin = cursor.used();
  whole_gradients_ = cursor.take<char>(0);
  for (Slots& slots : slots_) {
    for (int64_t k = 0; k < tensors_per_layer_; ++k) {
      if (!has_row_list(tensors[k])) slots.gradient[tensors[k].kind] = cursor.take<M>(tensors[k].size());
    }
  }
  whole_gradient_bytes_ = cursor.used() - begin;
  return cursor.used();
}

template <class T, class W>
const int32_t* Operands<T, W>::upload(const std::vector<int32_t>& lists) {
  described_.clear();
  if (!lists.empty()) device_.write(lists_, lists.data(), lists.size() * sizeof(int32_t));
  return lists_;
}

template <class T, class W>
void Operands<T, W>::prepare(OpContext& ctx, const SubnetworkPlan& plan) {
  describe(plan, &description_);
  if (description_ == described_) return;
  add_gradients(ctx);
  const int32_t* lists = upload(plan.rows());
  host_lists_.assign(plan.rows().begin(), plan.rows().end());
  const auto on_device = [&](const RowList& list) {
    return RowList{list.rows ? lists + (list.rows - plan.rows().data()) : nullptr, list.count};
  };
  nested_ = plan.nested();
  matrices_.clear();
  vectors_.clear();
  const M* head = parameters_.global(Role::kWeight, config_.tied_head ? kWte : kHeadw);
  if constexpr (std::is_same_v<W, M>) {
    head_ = head;
  } else {
    if (!head_is_ready_) matrices_.push_back({head_slot_, head, nullptr, config_.vocab_size, config_.n_embd});
    head_is_ready_ = true;
    head_ = head_slot_;
  }
  layers_.clear();
  layer_of_.clear();
  for (size_t i = 0; i < plan.layers().size(); ++i) {
    const ActiveLayer& active = plan.layers()[i];
    LayerOperands<W> operands{};
    operands.rows = {on_device(active.rows.qkv), on_device(active.rows.heads), on_device(active.rows.neurons),
                     active.rows.keys};
    for (int64_t k = 0; k < tensors_per_layer_; ++k) point_to(layer_tensors(active.layer)[k], operands, slots_[i]);
    layers_.push_back(operands);
    layer_of_.push_back(active.layer);
  }
  if (!matrices_.empty()) ops_.gather_matrix(ctx, {matrices_.data(), static_cast<int64_t>(matrices_.size())});
  if (!vectors_.empty()) ops_.gather_vector(ctx, {vectors_.data(), static_cast<int64_t>(vectors_.size())});
  described_.swap(description_);
}

// To the masters of a tensor, or to its slots, which it lists to be gathered.
template <class T, class W>
void Operands<T, W>::point_to(const Tensor& tensor, LayerOperands<W>& operands, const Slots& slots) {
  const M* master = parameters_.data(Role::kWeight, tensor);
  const bool masters_serve = !ops_.compact || nested_;
  const RowList active = operands.rows.of(tensor);
  const int32_t* const rows = active.rows;
  const int64_t count = active.count;
  const int64_t zeros = has_neurons(tensor) ? ops_.padded(count) - count : 0;
  const auto clear_behind = [&](auto* slot) {
    const size_t row_bytes = static_cast<size_t>(tensor.cols) * sizeof(*slot);
    if (zeros > 0) device_.clear(slot + count * tensor.cols, static_cast<size_t>(zeros) * row_bytes);
  };
  operands.gradient[tensor.kind] =
      masters_serve ? parameters_.data(Role::kGradient, tensor) : slots.gradient[tensor.kind];
  if (!is_matrix(tensor)) {
    if (masters_serve && zeros == 0) {
      operands.vector[tensor.kind] = master;
      return;
    }
    operands.vector[tensor.kind] = slots.vector[tensor.kind];
    vectors_.push_back({slots.vector[tensor.kind], master, rows, count, tensor.cols});
    clear_behind(slots.vector[tensor.kind]);
    return;
  }
  if constexpr (std::is_same_v<W, M>) {
    if (masters_serve) {
      operands.matrix[tensor.kind] = master;
      return;
    }
  }
  operands.matrix[tensor.kind] = slots.matrix[tensor.kind];
  matrices_.push_back({slots.matrix[tensor.kind], master, rows, count, tensor.cols});
  clear_behind(slots.matrix[tensor.kind]);
}

template <class T, class W>
bool Operands<T, W>::begin_gradients() {
  if (!ops_.compact || nested_) {
    in_masters_ = true;
    return false;
  }
  const bool assigns = !in_slots_;
  if (assigns) device_.clear(whole_gradients_, whole_gradient_bytes_);
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (int64_t k = 0; k < tensors_per_layer_; ++k) {
      const Tensor& tensor = layer_tensors(layer_of_[i])[k];
      layers_[i].assigned[tensor.kind] = assigns && has_row_list(tensor);
    }
  }
  in_slots_ = true;
  return assigns;
}

template <class T, class W>
void Operands<T, W>::add_gradients(OpContext& ctx) {
  if (!in_slots_) return;
  scattered_.clear();
  for_each_slot_gradient([&](const Tensor& tensor, const UnitRows& units, const int32_t*, M* gradient) {
    const RowList list = units.of(tensor);
    scattered_.push_back({parameters_.data(Role::kGradient, tensor), gradient, list.rows, list.count, tensor.cols});
  });
  ops_.scatter_add(ctx, {scattered_.data(), static_cast<int64_t>(scattered_.size())});
  in_slots_ = false;
  in_masters_ = true;
}

template class Operands<float>;
template class Operands<double>;
template class Operands<bfloat16>;
template class Operands<bfloat16, float>;

}  // namespace burgeon
