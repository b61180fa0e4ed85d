#include "model/memory_plan.h"

#include <string>

#include "core/arena.h"
#include "core/bfloat16.h"
#include "core/error.h"
#include "model/muon_update.h"
#include "model/operands.h"
#include "model/parameters.h"

namespace burgeon {

template <class T, class W>
MemoryPlan plan_memory(const ModelConfig& config, const Ops<T, W>& ops, int threads, const ActivationShape& shape,
                       RowShards shards) {
  // Neither takes memory of the device until told to.
  const Parameters<Master<T>> parameters(config, host_device(), shards);
  const Operands<T, W> operands(config, ops, parameters, host_device());
  Activations<T, W> activations;
  size_t thread_scratch;
  const size_t bytes = plan_activations(config, shape, ops, threads, nullptr, &activations, &thread_scratch);
  const auto bytes_of = [&](Role role) { return static_cast<size_t>(parameters.count(role)) * sizeof(Master<T>); };
  return {bytes_of(Role::kWeight),
          bytes_of(Role::kGradient),
          bytes_of(Role::kState0) + bytes_of(Role::kState1),
          operands.bytes(),
          bytes - activations.scratch_bytes,
          activations.scratch_bytes + MuonUpdate<T, W>::bytes_of(config)};
}

template <class T, class W>
int64_t most_sequences(const ModelConfig& config, const Ops<T, W>& ops, int threads, const ActivationShape& shape,
                       RowShards shards, size_t bytes) {
  const auto fits = [&](int64_t sequences) {
    const ActivationShape tried{sequences * shape.sequence, shape.sequence, shape.gradients, shape.part};
    return plan_memory(config, ops, threads, tried, shards).total() <= bytes;
  };
  // Between one that fits and one that does not.
  int64_t low = 0;
  int64_t high = shape.rows / shape.sequence + 1;
  while (low + 1 < high) {
    const int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

template <class T, class W>
void check_memory(const ModelConfig& config, const Ops<T, W>& ops, int threads, const ActivationShape& shape,
                  RowShards shards, const DeviceMemory& memory) {
  const MemoryPlan plan = plan_memory(config, ops, threads, shape, shards);
  if (plan.total() <= memory.bytes) return;
  const int64_t most = most_sequences(config, ops, threads, shape, shards, memory.bytes);
  const std::string length = " of " + std::to_string(shape.sequence) + " tokens";
  throw Error(ErrorCode::kOutOfMemory,
              "activations need " + binary_size(plan.activations + plan.scratch) + " for " +
                  std::to_string(shape.rows / shape.sequence) + " sequences" + length + " beside " +
                  binary_size(plan.parameters()) + " of weights, gradients and moments, " + memory.name + " has " +
                  binary_size(memory.bytes) + "; " +
                  (most > 0 ? "the most sequences" + length + " that fit at a time are " + std::to_string(most)
                            : "not even one sequence" + length + " fits") +
                  "; use a smaller model, batch size or sequence length");
}

#define BURGEON_MEMORY_PLAN(T, W)                                                                                \
  template MemoryPlan plan_memory(const ModelConfig&, const Ops<T, W>&, int, const ActivationShape&, RowShards); \
  template int64_t most_sequences(const ModelConfig&, const Ops<T, W>&, int, const ActivationShape&, RowShards,  \
                                  size_t);                                                                       \
  template void check_memory(const ModelConfig&, const Ops<T, W>&, int, const ActivationShape&, RowShards,       \
                             const DeviceMemory&);
BURGEON_MEMORY_PLAN(float, float)
BURGEON_MEMORY_PLAN(double, double)
BURGEON_MEMORY_PLAN(bfloat16, bfloat16)
BURGEON_MEMORY_PLAN(bfloat16, float)
#undef BURGEON_MEMORY_PLAN

}  // namespace burgeon
