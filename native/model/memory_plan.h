// What a model takes of its device's memory, computed without taking any.
#pragma once

#include <cstddef>

#include "backend/select.h"
#include "model/activations.h"
#include "model/config.h"
#include "model/row_shards.h"

namespace burgeon {

struct MemoryPlan {
  size_t weights;
  size_t gradients;
  size_t moments;
  size_t slots;        // lists of active rows; of compact backends also gathered weights and their gradients
  size_t activations;  // with the buffers of the backward pass and the block of logits
  size_t scratch;      // of ops, and of the optimizer's products

  size_t parameters() const { return weights + gradients + moments + slots; }
  size_t total() const { return parameters() + activations + scratch; }
};

// Exactly what a model of these takes for batches of this shape, with the moments of own rows.
template <class T, class W>
MemoryPlan plan_memory(const ModelConfig& config, const Ops<T, W>& ops, int threads, const ActivationShape& shape,
                       RowShards shards);

// The most sequences of shape.sequence tokens that fit in so many bytes; 0 where one does not.
template <class T, class W>
int64_t most_sequences(const ModelConfig& config, const Ops<T, W>& ops, int threads, const ActivationShape& shape,
                       RowShards shards, size_t bytes);

// Throws Error(kOutOfMemory) that names this number, where the shape does not fit.
template <class T, class W>
void check_memory(const ModelConfig& config, const Ops<T, W>& ops, int threads, const ActivationShape& shape,
                  RowShards shards, const DeviceMemory& memory);

}  // namespace burgeon
