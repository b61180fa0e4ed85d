// The subnetwork of one group of sequences, as index lists: from what the caller sent to the row lists the ops read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/communicator.h"
#include "model/config.h"
#include "model/parameters.h"

namespace burgeon {

// As received: has_layers false means "all". Lists of units, the i-th of the i-th active layer; an empty vector = all.
// The factors are the caller's decision, one per active layer; an empty vector: 1.
struct Subnetwork {
  bool has_layers = false;
  std::vector<int32_t> layers;
  std::vector<std::vector<int32_t>> heads;  // key and value heads, each with the query heads that share it
  // Instead of heads: as many query heads of every key and value head; these are then all active.
  std::vector<std::vector<int32_t>> query_heads;
  std::vector<std::vector<int32_t>> neurons;
  std::vector<double> layer_scale;   // of both branches
  std::vector<double> head_scale;    // of the sum over heads, the output's bias left out
  std::vector<double> neuron_scale;  // of the sum over neurons, likewise
};

// Most that takes part at a time: layers, and heads and neurons of any of them.
struct Extent {
  int64_t layers;
  int64_t heads;     // query heads
  int64_t kv_heads;  // key and value heads
  int64_t neurons;
};

Extent whole_extent(const ModelConfig& config);

// One active layer. Its rows have no list where they are the first ones of their tensors, be that all of them: these
// take the dense path, on as many rows.
struct ActiveLayer {
  int64_t layer;
  int64_t heads;     // A, number of active query heads
  int64_t kv_heads;  // G, number of active key and value heads
  int64_t neurons;   // number of active neurons
  UnitRows rows;
  double layer_scale;
  double head_scale;
  double neuron_scale;
};

// Row lists of one subnetwork. Reserves for the full model once, so that later assignments allocate nothing.
class SubnetworkPlan {
 public:
  explicit SubnetworkPlan(const ModelConfig& config);

  // Checks the lists (ascending, in range, one per active layer) and expands them. Throws Error(kShape) naming the list
  // and the offending entry.
  void assign(const Subnetwork& subnetwork);

  const std::vector<ActiveLayer>& layers() const { return layers_; }
  // What the lists of all layers point into.
  const std::vector<int32_t>& rows() const { return rows_; }
  const Extent& extent() const { return extent_; }
  // Whether what is active are the first layers and the first rows of their tensors: then it lies in the masters as it
  // would in a smaller model. The full model is one of these.
  bool nested() const { return rows_.empty() && layers_.back().layer + 1 == extent_.layers; }

 private:
  void assign_heads(const std::vector<int32_t>& heads, size_t owner, ActiveLayer* active);
  void assign_query_heads(const std::vector<int32_t>& heads, size_t owner, ActiveLayer* active);
  void assign_neurons(const std::vector<int32_t>& neurons, size_t owner, ActiveLayer* active);
  void append_heads(int64_t first, int64_t count);

  const ModelConfig config_;
  std::vector<ActiveLayer> layers_;
  std::vector<int32_t> rows_;
  Extent extent_{};
};

// Which units were active in any group since the last optimizer step.
class TouchedUnits {
 public:
  explicit TouchedUnits(const ModelConfig& config);

  void add(const SubnetworkPlan& plan);
  // Rows of a tensor that somebody else has written a gradient of.
  void add(const Tensor& tensor, int64_t row, int64_t rows);
  void clear();
  // Adds what any rank has. `scratch` is kept for its memory.
  void unite_with(Communicator& ranks, std::vector<uint8_t>* scratch);
  // Whether every unit of the other is one of these.
  bool covers(const TouchedUnits& other) const;

  bool layer(int64_t layer) const { return layers_[layer]; }
  // Makes the lists of all touched layers.
  void list();
  // Rows of a touched layer, where `lists` is a copy of lists().
  UnitRows rows(int64_t layer, const int32_t* lists) const;
  const std::vector<int32_t>& lists() const { return lists_; }

 private:
  // Where the list of a layer's rows begins in lists_, -1 where they are the first ones of their tensors; and their
  // number.
  struct Places {
    int64_t qkv;
    int64_t heads;
    int64_t neurons;
    int64_t qkv_count;
    int64_t head_count;
    int64_t neuron_count;
    int64_t key_count;
  };

  const ModelConfig config_;
  const int64_t qkv_heads_each_;  // NH + 2 KV
  std::vector<uint8_t> layers_;
  std::vector<uint8_t> qkv_heads_;  // (L, NH + 2 KV)
  std::vector<uint8_t> neurons_;    // (L, F)
  std::vector<Places> places_;      // (L)
  std::vector<int32_t> lists_;
};

}  // namespace burgeon
