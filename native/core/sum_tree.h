// The order in which the micro-batches of a step add up: a binary tree, for which they are filled up with nothing to a
// power of two; of 6, ((0 + 1) + (2 + 3)) + (4 + 5). Ranks have equal, contiguous shares. A subtree that is one rank's
// and belongs to no larger one is a part, which that rank adds up alone (lib/ranks/shares.ts): of shares whose size is
// a power of two there is one each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace burgeon {

class SumTree {
 public:
  // `leaves`: micro-batches of all ranks, which divide them.
  SumTree(int64_t leaves, int ranks) : leaves_(leaves), each_(leaves / ranks) {
    int64_t width = 1;
    while (width < leaves) width *= 2;
    walk(0, width);
    first_.push_back(parts_);
  }

  // Parts are numbered over all ranks, in order.
  int first(int rank) const { return first_[static_cast<size_t>(rank)]; }
  int parts(int rank) const { return first(rank + 1) - first(rank); }
  int parts() const { return parts_; }
  int most_parts() const {
    int most = 0;
    for (size_t rank = 0; rank + 1 < first_.size(); ++rank) most = std::max(most, parts(static_cast<int>(rank)));
    return most;
  }

  struct Addition {
    int to;
    int from;
  };
  // Of parts, in order; then part 0 is the sum.
  const std::vector<Addition>& additions() const { return additions_; }

 private:
  // Returns the part that has the sum of these leaves.
  int walk(int64_t begin, int64_t width) {
    const int64_t end = std::min(begin + width, leaves_);
    const int64_t rank = begin / each_;
    if ((end - 1) / each_ == rank) {
      if (static_cast<int64_t>(first_.size()) == rank) first_.push_back(parts_);
      return parts_++;
    }
    const int to = walk(begin, width / 2);
    if (begin + width / 2 < end) additions_.push_back({to, walk(begin + width / 2, width / 2)});
    return to;
  }

  int64_t leaves_;
  int64_t each_;
  int parts_ = 0;
  std::vector<int> first_;
  std::vector<Addition> additions_;
};

}  // namespace burgeon
