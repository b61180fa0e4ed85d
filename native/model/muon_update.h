// Muon's share of an update: which matrices are orthogonalised, each of queries, keys and values its own, and the
// memory that the iteration works in.
#pragma once

#include <cstddef>
#include <vector>

#include "backend/backend.h"
#include "core/arena.h"
#include "core/device.h"
#include "model/config.h"
#include "model/parameters.h"

namespace burgeon {

// Rows of a tensor that take part in an update.
template <class M>
struct UpdatedRows {
  const Tensor* tensor;
  UnitRows units;          // of its layer
  const int32_t* on_host;  // a copy of the list of its own
  M* gradient;
  bool is_compact;  // the gradient has these rows alone

  RowList rows() const { return units.of(*tensor); }
};

template <class T, class W = T>
class MuonUpdate {
 public:
  using M = Master<T>;

  MuonUpdate(const ModelConfig& config, const Ops<T, W>& ops, Device& device, Parameters<M>& parameters)
      : config_(config), ops_(ops), device_(device), p_(parameters) {}

  // Of what a model works in; 0 with other optimizers.
  static size_t bytes_of(const ModelConfig& config);
  // Takes it. Throws Error(kOutOfMemory); Error(kBackend) where the backend has no Muon.
  void allocate(size_t held);
  size_t bytes() const { return arena_.size(); }

  // `all`: of every tensor, of which those without a second moment count. Returns multiply-adds.
  int64_t run(OpContext& ctx, const std::vector<UpdatedRows<M>>& all, const MuonStep& step);

 private:
  void add(const UpdatedRows<M>& updated, int64_t first, int64_t count);

  const ModelConfig& config_;
  const Ops<T, W>& ops_;
  Device& device_;
  Parameters<M>& p_;
  Arena arena_;
  std::vector<MuonRows<M>> parts_;  // kept for its memory
};

// Throws Error(kBackend) where the ops cannot do what the model's optimizer needs.
template <class T, class W>
void require_optimizer(const ModelConfig& config, const Ops<T, W>& ops);
// Throws Error(kConfig) where its rows cannot be divided over ranks.
void require_shards(const ModelConfig& config, const RowShards& shards);

}  // namespace burgeon
