// One tensor of a model: what it is called, its shape, and where it lies in the arrays (model/parameters.h).
#pragma once

#include <cstdint>

namespace burgeon {

// Which list of a subnetwork names the active rows of a tensor.
enum class Sampled { kNever, kByLayer, kQkvRows, kHeadRows, kNeurons };

struct Tensor {
  int kind;  // its LayerTensor, or its GlobalTensor
  const char* name;
  int64_t layer;  // -1 for the tensors outside the layers
  int64_t rows;
  int64_t cols;
  Sampled sampled;
  bool decays;            // two-dimensional in Hugging Face's layout
  int64_t offset;         // of its first element in the arrays of weights and gradients
  int64_t state_offset;   // of its first own row in that of the first moment (model/row_shards.h)
  int64_t second_offset;  // likewise, of the second; -1: it has none, and its update is orthogonalised

  int64_t size() const { return rows * cols; }
};

}  // namespace burgeon
