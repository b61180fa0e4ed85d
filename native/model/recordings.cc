#include "model/recordings.h"

#include <algorithm>

namespace burgeon {

namespace {

// A run has a few kinds: two for each stage and part of a micro-batch, and evaluation.
constexpr size_t kMostKept = 64;

}  // namespace

Recordings::Kept* Recordings::find(const std::vector<int64_t>& kind) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.kind == kind; });
  if (found != kept_.end()) {
    std::rotate(found, found + 1, kept_.end());
    return &kept_.back();
  }
  if (kept_.size() == kMostKept) kept_.erase(kept_.begin());
  kept_.push_back({kind, {}, {}, 0, {nullptr, Release{&device_}}});
  return nullptr;
}

}  // namespace burgeon
