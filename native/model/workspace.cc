#include "model/workspace.h"

#include <string>
#include <vector>

#include "core/bfloat16.h"
#include "core/error.h"
#include "core/master.h"
#include "model/memory_plan.h"
#include "model/micro_batch.h"

namespace burgeon {

template <class T, class W>
bool Workspace<T, W>::reserve(const ActivationShape& shape, size_t held) {
  if (planned_.covers(shape)) return false;
  const ActivationShape grown = shape.joined(planned_);
  check(grown);
  arena_ = Arena();
  planned_ = ActivationShape();
  const size_t bytes = plan_activations(config_, grown, ops_, threads_, nullptr, &activations_, &thread_scratch_bytes_);
  arena_ = Arena(device_, bytes, "activations", held);
  plan_activations(config_, grown, ops_, threads_, arena_.data(), &activations_, &thread_scratch_bytes_);
  if (activations_.rope) {
    const std::vector<Master<T>> table = rope_table<Master<T>>(config_, grown.sequence);
    device_.write(activations_.rope, table.data(), table.size() * sizeof(Master<T>));
  }
  planned_ = grown;
  return true;
}

template <class T, class W>
void Workspace<T, W>::check(const ActivationShape& shape) const {
  check_memory(config_, ops_, threads_, shape, shards_, {device_.capacity(), device_.name()});
}

template <class T, class W>
size_t Workspace<T, W>::bytes_of(int64_t batch, int64_t sequence, bool gradients) const {
  // Beyond any machine, and small enough that no size below overflows.
  constexpr int64_t kMaxRows = int64_t{1} << 28;
  if (batch > kMaxRows / sequence) {
    throw Error(ErrorCode::kShape, "batch: expected at most " + std::to_string(kMaxRows) + " tokens, received " +
                                       shape_text(batch, sequence));
  }
  const ActivationShape shape{batch * sequence, sequence, gradients, whole_extent(config_)};
  Activations<T, W> measured;
  size_t scratch_bytes;
  return plan_activations(config_, shape, ops_, threads_, nullptr, &measured, &scratch_bytes);
}

template class Workspace<float>;
template class Workspace<double>;
template class Workspace<bfloat16>;
template class Workspace<bfloat16, float>;

}  // namespace burgeon
