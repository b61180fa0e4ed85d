#include "model/micro_batch.h"

#include <algorithm>

#include "core/error.h"

namespace burgeon {

namespace {

void check_tokens(const char* name, const int32_t* values, int64_t count, int64_t vocab, int32_t lowest) {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= lowest && values[i] < vocab) continue;
    throw Error(ErrorCode::kData, std::string(name) + "[" + std::to_string(i) + "]: expected a token in [" +
                                      std::to_string(lowest) + ", " + std::to_string(vocab) + "), received " +
                                      std::to_string(values[i]));
  }
}

}  // namespace

std::string shape_text(int64_t batch, int64_t sequence) {
  return "(B=" + std::to_string(batch) + ", T=" + std::to_string(sequence) + ")";
}

int64_t GroupPlans::assign(const MicroBatch& batch) {
  if (batch.batch < 1 || batch.sequence < 1 || batch.sequence > config_.context_length) {
    throw Error(ErrorCode::kShape, "tokens: expected B >= 1 and 1 <= T <= " + std::to_string(config_.context_length) +
                                       " (the model's context length), received " +
                                       shape_text(batch.batch, batch.sequence));
  }
  const int64_t count = batch.batch * batch.sequence;
  check_tokens("tokens", batch.tokens, count, config_.vocab_size, 0);
  int64_t valid = 0;
  if (batch.targets) {
    check_tokens("targets", batch.targets, count, config_.vocab_size, -1);
    valid = count - std::count(batch.targets, batch.targets + count, -1);
    if (valid == 0) {
      throw Error(ErrorCode::kData, "targets: expected at least one target that is not -1, received none");
    }
  }
  divide(batch);
  return valid;
}

void GroupPlans::divide(const MicroBatch& batch) {
  whole_ = {batch.batch, batch.sequence};
  ranges_.clear();
  while (plans_.size() < batch.groups->size()) plans_.emplace_back(config_);
  if (batch.groups->size() == 1 && batch.groups->front().sequences == 0) {
    plans_[0].assign(batch.groups->front().subnetwork);
    ranges_.push_back(whole_);
    return;
  }
  int64_t first = 0;
  for (const SequenceGroup& group : *batch.groups) {
    const auto name = [&] { return "groups[" + std::to_string(ranges_.size()) + "]."; };
    if (group.sequences < 1) {
      throw Error(ErrorCode::kShape,
                  name() + "sequences: expected at least one, received " + std::to_string(group.sequences));
    }
    try {
      plans_[ranges_.size()].assign(group.subnetwork);
    } catch (const Error& error) {
      throw Error(error.code(), name() + error.what());
    }
    ranges_.push_back({group.sequences, batch.sequence, 0, first});
    first += group.sequences;
  }
  if (first != batch.batch) {
    throw Error(ErrorCode::kShape, "groups: expected " + std::to_string(batch.batch) +
                                       " sequences together, as many as the batch has, received " +
                                       std::to_string(first));
  }
}

Extent GroupPlans::extent() const {
  Extent most{};
  for (size_t g = 0; g < count(); ++g) {
    const Extent& each = plan(g).extent();
    most.layers = std::max(most.layers, each.layers);
    most.heads = std::max(most.heads, each.heads);
    most.kv_heads = std::max(most.kv_heads, each.kv_heads);
    most.neurons = std::max(most.neurons, each.neurons);
  }
  return most;
}

}  // namespace burgeon
