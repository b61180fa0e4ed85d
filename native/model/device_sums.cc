#include "model/device_sums.h"

#include <algorithm>

namespace burgeon {

namespace {

template <class M>
size_t bytes_of(int64_t count) {
  return static_cast<size_t>(count) * sizeof(M);
}

}  // namespace

template <class M>
struct DeviceSums<M>::Sum {
  DeviceLinks& links;
  Communicator& ranks;
  const Add& add;
  const char* what;
  M* received;

  // Gives half to a neighbour, adds up the other half, of which those further away do the same, and gives that for the
  // half that was given away.
  void run(M* data, int64_t count, int distance = 1) {
    if (distance == ranks.size()) return;
    const int64_t half = count / 2;
    const bool is_lower = (ranks.rank() & distance) == 0;
    M* const kept = is_lower ? data : data + half;
    M* const given = is_lower ? data + half : data;
    const int64_t kept_count = is_lower ? half : count - half;
    const size_t kept_bytes = bytes_of<M>(kept_count);
    const size_t given_bytes = bytes_of<M>(count - kept_count);
    const int peer = ranks.rank() ^ distance;
    links.exchange(ranks, peer, given, given_bytes, received, kept_bytes, what);
    if (kept_count > 0) add(kept, received, kept_count);
    run(kept, kept_count, 2 * distance);
    links.exchange(ranks, peer, kept, kept_bytes, given, given_bytes, what);
  }
};

template <class M>
void DeviceSums<M>::link(Communicator& ranks) {
  links_ = nullptr;
  links_ = link_devices(device_, ranks);
  linked_ = ranks.id();
}

template <class M>
bool DeviceSums<M>::sum(Communicator& ranks, M* base, const std::vector<ElementRun>& runs, const Add& add,
                        const char* what) {
  if (!links_ || linked_ != ranks.id()) return false;
  int64_t all = 0;
  for (const ElementRun& run : runs) all += run.count;
  const int64_t at_once = std::min(most_, all);
  const int64_t half = (at_once + 1) / 2;
  const size_t wanted = bytes_of<M>(half + at_once);
  if (arena_.size() < wanted) {
    arena_ = Arena();
    arena_ = Arena(device_, wanted, "the exchange of gradients");
  }
  M* const received = reinterpret_cast<M*>(arena_.data());
  M* const packed = received + half;
  Sum tree{*links_, ranks, add, what, received};

  // Pieces of runs; several are summed side by side, one where it lies.
  std::vector<ElementRun> pieces;
  int64_t count = 0;
  const auto for_packed = [&](auto move) {
    M* at = packed;
    for (const ElementRun& piece : pieces) {
      move(at, base + piece.first, bytes_of<M>(piece.count));
      at += piece.count;
    }
  };
  const auto flush = [&] {
    if (pieces.size() == 1) {
      tree.run(base + pieces[0].first, count);
    } else if (count > 0) {
      for_packed([&](M* to, M* from, size_t bytes) { device_.copy(to, from, bytes); });
      tree.run(packed, count);
      for_packed([&](M* from, M* to, size_t bytes) { device_.copy(to, from, bytes); });
    }
    pieces.clear();
    count = 0;
  };
  for (ElementRun run : runs) {
    while (run.count > 0) {
      const int64_t taken = std::min(run.count, at_once - count);
      pieces.push_back({run.first, taken});
      run = {run.first + taken, run.count - taken};
      count += taken;
      if (count == at_once) flush();
    }
  }
  flush();
  links_->finish(ranks, what);
  return true;
}

template class DeviceSums<float>;
template class DeviceSums<double>;

}  // namespace burgeon
