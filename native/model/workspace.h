// The memory that steps compute in: activations and scratch in one arena, planned for the largest shape seen.
#pragma once

#include <cstddef>

#include "backend/backend.h"
#include "core/arena.h"
#include "core/device.h"
#include "model/activations.h"
#include "model/config.h"
#include "model/row_shards.h"

namespace burgeon {

template <class T, class W = T>
class Workspace {
 public:
  Workspace(const ModelConfig& config, const Ops<T, W>& ops, Device& device, int threads, RowShards shards)
      : config_(config), ops_(ops), device_(device), threads_(threads), shards_(shards) {}

  // Makes room for a shape; `held`: bytes that the model has taken otherwise. Whether addresses have changed: then
  // nothing of the activations is kept. Throws Error(kOutOfMemory).
  bool reserve(const ActivationShape& shape, size_t held);
  // Throws as reserve() where there is no room on the device, and takes nothing.
  void check(const ActivationShape& shape) const;
  // Bytes that a shape takes, without taking them. Throws Error(kShape) where no machine has them.
  size_t bytes_of(int64_t batch, int64_t sequence, bool gradients) const;

  Activations<T, W>& activations() { return activations_; }
  const ActivationShape& planned() const { return planned_; }
  size_t bytes() const { return arena_.size(); }
  size_t thread_scratch_bytes() const { return thread_scratch_bytes_; }

 private:
  const ModelConfig& config_;
  const Ops<T, W>& ops_;
  Device& device_;
  const int threads_;
  const RowShards shards_;  // of what the model takes beside
  Arena arena_;
  Activations<T, W> activations_;
  ActivationShape planned_;
  size_t thread_scratch_bytes_ = 0;
};

}  // namespace burgeon
