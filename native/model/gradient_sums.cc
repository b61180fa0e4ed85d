#include "model/gradient_sums.h"

#include "core/master.h"
#include "model/touched_rows.h"

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
  size_t bytes = linked_.bytes();
  for (const Kept& kept : kept_) bytes += kept.arena.size();
  return bytes;
}

template <class M>
void GradientSums<M>::exchange(Communicator& ranks, TouchedUnits& touched, const typename DeviceSums<M>::Add& add) {
  touched.unite_with(ranks, &flags_);
  const std::vector<Run> runs = runs_of(touched);
  const char* const what = "the sum of gradients";
  if (linked_.sum(ranks, base(), runs, add, what)) return;
  const bool is_on_host = device_.queue() == nullptr;
  if (runs.size() == 1 && is_on_host) {
    sum_over(ranks, base() + runs[0].first, runs[0].count, &received_, what);
    return;
  }
  int64_t count = 0;
  for (const Run& run : runs) count += run.count;
  packed_.resize(static_cast<size_t>(count));
  const auto for_packed = [&](auto move) {
    M* at = packed_.data();
    for (const Run& run : runs) {
      move(at, base() + run.first, static_cast<size_t>(run.count) * sizeof(M));
      at += run.count;
    }
  };
  for_packed([&](M* packed, M* gradient, size_t bytes) { device_.read(packed, gradient, bytes); });
  sum_over(ranks, packed_.data(), count, &received_, what);
  for_packed([&](M* packed, M* gradient, size_t bytes) { device_.write(gradient, packed, bytes); });
}

template class GradientSums<float>;
template class GradientSums<double>;

}  // namespace burgeon
