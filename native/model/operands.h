// What a step reads as weights and where it leaves gradients. With most backends these are the masters themselves, and
// products take lists of the active rows. A compact backend wants dense operands: before a group of sequences the
// active rows are gathered into slots, in the type of its products; gradients are left in slots and added to the
// masters' after the group. Step reads the same either way.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "core/arena.h"
#include "model/parameters.h"
#include "model/subnetwork.h"

namespace burgeon {

// Of one active layer; null where the architecture has no such tensor.
template <class T>
struct LayerOperands {
  const T* matrix[kLayerTensors];
  const Master<T>* vector[kLayerTensors];
  Master<T>* gradient[kLayerTensors];
  bool compact[kLayerTensors];  // operand and gradient are slots: rows as they lie, and the gradient is assigned
  const int32_t* qkv_rows;      // lists of the masters' active rows, on the device; null where all are
  const int32_t* head_rows;
  const int32_t* neuron_rows;
  int64_t qkv_count;
  int64_t head_count;
  int64_t neuron_count;
};

template <class T>
class Operands {
 public:
  // Throws Error(kOutOfMemory).
  Operands(const ModelConfig& config, const Ops<T>& ops, const Parameters<Master<T>>& parameters, Device& device);

  size_t bytes() const { return arena_.size(); }

  // Makes the operands of a subnetwork ready.
  void prepare(OpContext& ctx, const SubnetworkPlan& plan);
  // Of the i-th active layer of the plan prepared last.
  const LayerOperands<T>& layer(size_t i) const { return layers_[i]; }
  // The matrix of the output head.
  const T* head() const { return head_; }
  // Adds what the i-th active layer left in slots to the gradients of the masters.
  void add_gradients(OpContext& ctx, size_t i);
  // The masters have changed: what was gathered is old.
  void invalidate() { holds_ = Holds::kNothing; }

  // A copy of row lists on the device, until the next call.
  const int32_t* upload(const std::vector<int32_t>& lists);

 private:
  using M = Master<T>;
  // Of a layer: where active rows are gathered to. Null where the master serves as it is.
  struct Slots {
    T* matrix[kLayerTensors];
    M* vector[kLayerTensors];
  };

  size_t place(char* base);
  void gather(OpContext* ctx, const Tensor& tensor, LayerOperands<T>& operands, const Slots& slots);
  const Tensor* layer_tensors(int64_t layer) const {
    return parameters_.tensors().data() + first_ + layer * tensors_per_layer_;
  }

  const ModelConfig config_;
  const Ops<T>& ops_;
  const Parameters<M>& parameters_;
  Device& device_;
  int64_t first_;  // of the layers' tensors among all
  int64_t tensors_per_layer_;
  int64_t list_capacity_;

  Arena arena_;
  int32_t* lists_ = nullptr;
  T* head_slot_ = nullptr;
  std::vector<Slots> slots_;            // of the active layers, in their order
  M* gradient_slots_[kLayerTensors]{};  // of one layer: each is added to its master's before the next

  const T* head_ = nullptr;
  std::vector<LayerOperands<T>> layers_;
  std::vector<int64_t> layer_of_;  // the number of each active layer
  // What is in the slots: nothing of the present masters, the head only, or the full model.
  enum class Holds { kNothing, kHead, kAll } holds_ = Holds::kNothing;
};

}  // namespace burgeon
