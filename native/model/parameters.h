// The list of a model's tensors and the arrays of each: weights, gradients, and what the optimizer keeps, this of own
// rows only (model/row_shards.h).
//
// Every sampled dimension leads its matrix, so a head or a neuron is a run of contiguous floats:
//   qkvw (NH + 2 KV, HS, C)   qkvb (NH + 2 KV, HS)   attprojw (NH, HS, C), input-major   gatew (F, C)   gateb (F)
//   fcw (F, C)   fcb (F)   fcprojw (F, C), input-major.
// qkv: queries, then keys, then values. lib/model/tensor-names.ts converts to and from Hugging Face's layouts.
// An architecture leaves out what it has not; all layers have the same tensors in the same order.
#pragma once

#include <cstdint>
#include <vector>

#include "core/arena.h"
#include "model/config.h"
#include "model/row_shards.h"
#include "model/tensor.h"

namespace burgeon {

// Rows of a tensor that take part: a list of them, or where it is null the first ones.
struct RowList {
  const int32_t* rows;
  int64_t count;
};

// What takes part of a layer, as rows of its tensors.
struct UnitRows {
  RowList qkv;      // of qkvw and qkvb: queries, as many as heads, then keys, then values
  RowList heads;    // of attprojw
  RowList neurons;  // of gatew, gateb, fcw, fcb and fcprojw
  int64_t keys;     // rows of qkv

  RowList of(const Tensor& tensor) const;
};

// All of a layer.
UnitRows whole_rows(const ModelConfig& config);

enum LayerTensor {
  kLn1w,
  kLn1b,
  kQkvw,
  kQkvb,
  kAttprojw,
  kAttprojb,
  kLn2w,
  kLn2b,
  kGatew,
  kGateb,
  kFcw,
  kFcb,
  kFcprojw,
  kFcprojb,
  kLayerTensors
};
enum GlobalTensor { kWte, kWpe, kLnfw, kLnfb, kHeadw, kGlobalTensors };

// The globals first, then the layers in order.
std::vector<Tensor> list_tensors(const ModelConfig& config);

// kState0 and kState1 are the optimizer's: AdamW's first and second moment. Muon's momentum is a first moment.
enum class Role { kWeight, kGradient, kState0, kState1 };
constexpr int kRoles = 4;
constexpr bool is_state(Role role) { return role == Role::kState0 || role == Role::kState1; }

// T is the type of masters (core/master.h).
template <class T>
class Parameters {
 public:
  Parameters(const ModelConfig& config, Device& device, RowShards shards = RowShards());

  // Takes their memory, zeroed; before that there are no data. Throws Error(kOutOfMemory).
  void allocate();
  // Throws as allocate() where the device is too small.
  void check() const { check_capacity(device_, bytes(), kUse); }

  const std::vector<Tensor>& tensors() const { return tensors_; }
  const RowShards& shards() const { return shards_; }
  // Elements of an array of this role.
  int64_t count(Role role) const {
    return role == Role::kState1 ? second_count_ : role == Role::kState0 ? state_count_ : count_;
  }
  size_t bytes() const { return static_cast<size_t>(2 * count_ + state_count_ + second_count_) * sizeof(T); }

  // Of what the optimizer keeps, the own rows one after another. Null where the tensor has none of that role.
  T* data(Role role, const Tensor& tensor) const {
    const int64_t offset = role == Role::kState1   ? tensor.second_offset
                           : role == Role::kState0 ? tensor.state_offset
                                                   : tensor.offset;
    return offset < 0 ? nullptr : array(role) + offset;
  }
  // Throws Error(kShape) where a tensor has none of that role, or only own rows of it are here.
  void require_here(Role role, const Tensor& tensor) const;
  // A row; of what the optimizer keeps, an own one.
  T* row(Role role, const Tensor& tensor, int64_t row) const {
    return data(role, tensor) + (is_state(role) ? shards_.place(tensor, row) : row) * tensor.cols;
  }
  T* array(Role role) const { return arrays_[static_cast<int>(role)]; }
  // Null where the architecture has no such tensor.
  T* layer(Role role, int64_t layer, LayerTensor tensor) const {
    return at(role, places_[kGlobalTensors + layer * kLayerTensors + tensor]);
  }
  T* global(Role role, GlobalTensor tensor) const { return at(role, places_[tensor]); }
  void clear_gradients();

 private:
  static constexpr const char* kUse = "model: weights, gradients and moments";

  T* at(Role role, int64_t place) const { return place < 0 ? nullptr : data(role, tensors_[place]); }

  Device& device_;
  const RowShards shards_;
  std::vector<Tensor> tensors_;
  std::vector<int64_t> places_;  // in tensors_, of every global and then every layer's tensors; -1: there is none
  int64_t count_ = 0;            // elements of an array of weights or gradients, alignment gaps included
  int64_t state_count_ = 0;      // likewise, of first moments
  int64_t second_count_ = 0;     // and of second ones
  Arena arena_;
  T* arrays_[kRoles];
};

}  // namespace burgeon
