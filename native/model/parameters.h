// The list of a model's tensors and the four arrays of each: weights, gradients and the two AdamW moments.
//
// Every sampled dimension leads its matrix, so a head or a neuron is a run of contiguous floats:
//   qkvw (3, NH, HS, C)   qkvb (3, NH, HS)   attprojw (NH, HS, C), input-major   fcw (F, C)   fcb (F)
//   fcprojw (F, C), input-major.
// Hugging Face stores qkvw and fcw transposed; lib/model/tensor-names.ts converts.
// All layers have the same tensors in the same order.
#pragma once

#include <cstdint>
#include <vector>

#include "core/arena.h"
#include "model/config.h"

namespace burgeon {

// Which list of a subnetwork names the active rows of a tensor.
enum class Sampled { kNever, kByLayer, kQkvRows, kHeadRows, kNeurons };

struct Tensor {
  const char* name;
  int64_t layer;  // -1 for the tensors outside the layers
  int64_t rows;
  int64_t cols;
  Sampled sampled;
  bool decays;     // two-dimensional in Hugging Face's layout
  int64_t offset;  // of its first element in each of the arrays

  int64_t size() const { return rows * cols; }
};

// Positions of a layer's tensors after that layer's first.
enum LayerTensor { kLn1w, kLn1b, kQkvw, kQkvb, kAttprojw, kAttprojb, kLn2w, kLn2b, kFcw, kFcb, kFcprojw, kFcprojb, kLayerTensors };
enum GlobalTensor { kWte, kWpe, kLnfw, kLnfb, kGlobalTensors };

// The globals first, then the layers in order.
std::vector<Tensor> list_tensors(const ModelConfig& config);

enum class Role { kWeight, kGradient, kMoment1, kMoment2 };

template <class T>
class Parameters {
 public:
  explicit Parameters(const ModelConfig& config);

  const std::vector<Tensor>& tensors() const { return tensors_; }
  int64_t count() const { return count_; }
  size_t bytes() const { return arena_.size(); }

  T* data(Role role, const Tensor& tensor) const { return arrays_[static_cast<int>(role)] + tensor.offset; }
  T* layer(Role role, int64_t layer, LayerTensor tensor) const {
    return data(role, tensors_[kGlobalTensors + layer * kLayerTensors + tensor]);
  }
  T* global(Role role, GlobalTensor tensor) const { return data(role, tensors_[tensor]); }
  void clear_gradients();

 private:
  std::vector<Tensor> tensors_;
  int64_t count_ = 0;  // elements of one array, alignment gaps included
  Arena arena_;
  T* arrays_[4];
};

}  // namespace burgeon
