// A micro-batch: as it comes from the caller, and checked and cut into the groups that a step computes one after
// another.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/subnetwork.h"

namespace burgeon {

// Consecutive sequences that share a subnetwork.
struct SequenceGroup {
  int64_t sequences;  // of the only group 0: all
  Subnetwork subnetwork;
};

// As it comes from the caller: its groups, in order. Pointers are read during the call only.
struct MicroBatch {
  const int32_t* tokens;   // (B, T), each in [0, V)
  const int32_t* targets;  // (B, T), each in [0, V) or -1 (ignored); null: no loss
  int64_t batch;
  int64_t sequence;
  const std::vector<SequenceGroup>* groups;  // B sequences together
};

// "(B=2, T=8)", for messages.
std::string shape_text(int64_t batch, int64_t sequence);

// Consecutive sequences of a micro-batch, or all of them, where a step finds them in the activations.
struct SequenceRange {
  int64_t batch;
  int64_t sequence;
  int64_t past = 0;   // position of the first token; above 0 only with a cache that holds the tokens before it
  int64_t first = 0;  // of the micro-batch's sequences

  int64_t rows() const { return batch * sequence; }
};

// The groups of the present micro-batch, each with the plan of its subnetwork.
class GroupPlans {
 public:
  explicit GroupPlans(const ModelConfig& config) : config_(config) {}

  // Checks a micro-batch and cuts it up. Returns how many targets count; 0 without targets. Throws Error(kShape,
  // kData).
  int64_t assign(const MicroBatch& batch);

  const SequenceRange& whole() const { return whole_; }
  size_t count() const { return ranges_.size(); }
  const SequenceRange& range(size_t group) const { return ranges_[group]; }
  const SubnetworkPlan& plan(size_t group) const { return plans_[group]; }
  // What takes part at most, in any group.
  Extent extent() const;

 private:
  void divide(const MicroBatch& batch);

  const ModelConfig config_;
  SequenceRange whole_{};
  std::vector<SequenceRange> ranges_;
  std::deque<SubnetworkPlan> plans_;  // at least as many; they stay where they are, as they point into themselves
};

}  // namespace burgeon
