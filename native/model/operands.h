// What a step reads as weights and where it leaves gradients. With most backends these are the masters themselves, and
// products take lists of the active rows. A compact backend wants dense operands: the active rows of a subnetwork are
// gathered into slots, in the type of its products, once for all micro-batches in a row that train it; their gradients
// add up in slots, and are added to the masters' when another subnetwork comes, or go into the update as they are. The
// full model, and the first layers and neurons of it, need no slots but for matrices of another type. Slots lie at the
// same addresses for every subnetwork of the same shape, so what was queued for one can be queued again for the next.
// Step reads all of this the same way.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "core/arena.h"
#include "model/parameters.h"
#include "model/subnetwork.h"

namespace burgeon {

// Of one active layer; null where the architecture has no such tensor.
template <class W>
struct LayerOperands {
  const W* matrix[kLayerTensors];
  const Master<W>* vector[kLayerTensors];
  Master<W>* gradient[kLayerTensors];
  bool assigned[kLayerTensors];  // the gradient is a slot that holds nothing yet
  UnitRows rows;                 // of the masters, lists on the device
};

template <class T, class W = T>
class Operands {
 public:
  Operands(const ModelConfig& config, const Ops<T, W>& ops, const Parameters<Master<T>>& parameters, Device& device);

  // Takes their memory; nothing can be prepared before. Throws Error(kOutOfMemory).
  void allocate();
  size_t bytes() const { return bytes_; }

  // Makes the operands of a subnetwork ready.
  void prepare(OpContext& ctx, const SubnetworkPlan& plan);
  // Of the i-th active layer of the plan prepared last.
  const LayerOperands<W>& layer(size_t i) const { return layers_[i]; }
  // The matrix of the output head.
  const W* head() const { return head_; }
  // The masters have changed: what was gathered is old.
  void invalidate() {
    described_.clear();
    head_is_ready_ = false;
  }

  // A micro-batch is about to leave gradients. Returns whether slots hold none yet, so that it assigns some.
  bool begin_gradients();
  // Adds what is in slots to the gradients of the masters.
  void add_gradients(OpContext& ctx);
  // The gradients of the masters are clear, and slots hold nothing that counts.
  void drop_gradients() { in_slots_ = in_masters_ = false; }
  // Somebody else has written gradients of the masters.
  void expect_master_gradients() { in_masters_ = true; }
  // Whether all there are of the layers' gradients are in slots.
  bool gradients_are_in_slots() const { return in_slots_ && !in_masters_; }
  // visit(tensor, active rows of its layer, a copy on the host of the list of its own, slot) for every tensor of the
  // active layers.
  template <class Visit>
  void for_each_slot_gradient(Visit visit) const {
    for (size_t i = 0; i < layers_.size(); ++i) {
      for (int64_t k = 0; k < tensors_per_layer_; ++k) {
        const Tensor& tensor = layer_tensors(layer_of_[i])[k];
        const int32_t* const rows = layers_[i].rows.of(tensor).rows;
        const int32_t* const on_host = rows ? host_lists_.data() + (rows - lists_) : nullptr;
        visit(tensor, layers_[i].rows, on_host, layers_[i].gradient[tensor.kind]);
      }
    }
  }

  // A copy of row lists on the device, until the next call.
  const int32_t* upload(const std::vector<int32_t>& lists);

 private:
  using M = Master<T>;
  // Of the i-th active layer: where its rows are gathered to, and its gradients.
  struct Slots {
    W* matrix[kLayerTensors];
    M* vector[kLayerTensors];
    M* gradient[kLayerTensors];
  };

  size_t place(char* base);
  void point_to(const Tensor& tensor, LayerOperands<W>& operands, const Slots& slots);
  const Tensor* layer_tensors(int64_t layer) const {
    return parameters_.tensors().data() + first_ + layer * tensors_per_layer_;
  }

  const ModelConfig config_;
  const Ops<T, W>& ops_;
  const Parameters<M>& parameters_;
  Device& device_;
  int64_t first_;  // of the layers' tensors among all
  int64_t tensors_per_layer_;
  int64_t list_capacity_;

  size_t bytes_;
  Arena arena_;
  int32_t* lists_ = nullptr;
  std::vector<int32_t> host_lists_;  // those of the plan prepared last
  W* head_slot_ = nullptr;           // what pads its rows is never written, and zero as all memory was
  std::vector<Slots> slots_;
  // Gradient slots of tensors without rows of their own, one after another: these are added to from zero.
  char* whole_gradients_ = nullptr;
  size_t whole_gradient_bytes_ = 0;

  // Of the plan prepared last; `described_` is empty when it has to be prepared again.
  std::vector<int32_t> described_;
  bool nested_ = false;
  bool head_is_ready_ = false;
  const W* head_ = nullptr;
  std::vector<LayerOperands<W>> layers_;
  std::vector<int64_t> layer_of_;  // the number of each active layer

  bool assigns_ = false;     // the micro-batch begun is the first that leaves gradients in these slots
  bool in_slots_ = false;    // slots hold gradients of the layers that those of the masters lack
  bool in_masters_ = false;  // gradients of layers in the masters may not be zero

  // Kept for their memory.
  std::vector<int32_t> description_;
  std::vector<GatheredRows<W, M>> matrices_;
  std::vector<GatheredRows<M, M>> vectors_;
  std::vector<ScatteredRows<M>> scattered_;
};

}  // namespace burgeon
