#include "model/gradient_sums.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/master.h"

namespace burgeon {

template <class M>
std::vector<typename GradientSums<M>::Run> GradientSums<M>::runs_of(TouchedUnits& touched) const {
  // What lies between two tensors is zero, and cheaper to move than to leave out.
  constexpr int64_t kGap = 64 / sizeof(M);
  std::vector<Run> runs;
  const auto add = [&](int64_t first, int64_t count) {
    if (!runs.empty() && first - (runs.back().first + runs.back().count) < kGap) {
      runs.back().count = first + count - runs.back().first;
    } else {
      runs.push_back({first, count});
    }
  };
  for_touched_rows(parameters_.tensors(), &touched, [&](const Tensor& tensor, int64_t row, int64_t rows) {
    add(tensor.offset + row * tensor.cols, rows * tensor.cols);
  });
  return runs;
}

template <class M>
void GradientSums<M>::keep(TouchedUnits& touched) {
  const size_t bytes = static_cast<size_t>(parameters_.count(Role::kGradient)) * sizeof(M);
  if (in_use_ == kept_.size()) kept_.push_back({Arena(device_, bytes, "sums of gradients", parameters_.bytes()), {}});
  Kept& kept = kept_[in_use_++];
  kept.runs = runs_of(touched);
  M* const to = reinterpret_cast<M*>(kept.arena.data());
  for (const Run& run : kept.runs) {
    const size_t run_bytes = static_cast<size_t>(run.count) * sizeof(M);
    device_.copy(to + run.first, base() + run.first, run_bytes);
    device_.clear(base() + run.first, run_bytes);
  }
}

template <class M>
size_t GradientSums<M>::bytes() const {
  size_t bytes = rows_.bytes();
  for (const Kept& kept : kept_) bytes += kept.arena.size();
  return bytes;
}

template <class M>
void GradientSums<M>::fill(const Kept& kept, const std::vector<Run>& runs) {
  M* const sums = reinterpret_cast<M*>(kept.arena.data());
  auto next = kept.runs.begin();
  for (const Run& run : runs) {
    int64_t at = run.first;
    const int64_t end = run.first + run.count;
    for (; next != kept.runs.end() && next->first < end; ++next) {
      if (next->first > at) device_.clear(sums + at, static_cast<size_t>(next->first - at) * sizeof(M));
      at = std::max(at, next->first + next->count);
    }
    if (at < end) device_.clear(sums + at, static_cast<size_t>(end - at) * sizeof(M));
  }
}

template <class M>
void GradientSums<M>::exchange(Communicator& ranks, int64_t micro_batches, TouchedUnits& touched,
                               const typename RowExchange<M>::Add& add) {
  if (micro_batches < ranks.size() || micro_batches % ranks.size() != 0) {
    throw Error(ErrorCode::kShape, "microBatches: expected a multiple of the " + std::to_string(ranks.size()) +
                                       " ranks, received " + std::to_string(micro_batches));
  }
  const SumTree tree(micro_batches, ranks.size());
  const int expected = tree.parts(ranks.rank()) - 1;
  if (static_cast<size_t>(expected) != in_use_) {
    throw Error(ErrorCode::kShape, "sums kept aside: expected " + std::to_string(expected) + " of rank " +
                                       std::to_string(ranks.rank()) + " of " + std::to_string(ranks.size()) +
                                       " after its share of " + std::to_string(micro_batches) +
                                       " micro-batches, found " + std::to_string(in_use_) + "; fold as foldsOf() says");
  }
  touched.unite_with(ranks, &flags_);
  const std::vector<Run> runs = runs_of(touched);
  std::vector<M*> parts;
  for (size_t i = 0; i < in_use_; ++i) {
    fill(kept_[i], runs);
    parts.push_back(reinterpret_cast<M*>(kept_[i].arena.data()));
  }
  parts.push_back(base());
  const RowShards& shards = parameters_.shards();
  const OwnedElements owned =
      shards.divides() ? divide_by_owner(parameters_.tensors(), &touched, shards) : divide_evenly(runs, ranks.size());
  rows_.sum(ranks, tree, parts, owned, !shards.divides(), add, "the sum of gradients");
  drop();
}

template class GradientSums<float>;
template class GradientSums<double>;

}  // namespace burgeon
