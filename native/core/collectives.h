// What all ranks do together, each calling the same function with as much data. There may be any number of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/communicator.h"

namespace burgeon {

// Where shares begin: that of a rank has elements [rank] to [rank + 1].
using Shares = std::vector<int64_t>;

// Gives all ranks every share.
template <class T>
void all_gather(Communicator& ranks, T* data, const Shares& shares, const char* what) {
  const auto at = [&](int rank) { return data + shares[static_cast<size_t>(rank)]; };
  const auto bytes_of = [&](int rank) { return static_cast<size_t>(at(rank + 1) - at(rank)) * sizeof(T); };
  std::vector<Message> messages;
  for (int peer = 0; peer < ranks.size(); ++peer) {
    if (peer == ranks.rank()) continue;
    messages.push_back({peer, at(ranks.rank()), bytes_of(ranks.rank()), at(peer), bytes_of(peer)});
  }
  ranks.exchange(messages, what);
}

// Gives all ranks what rank 0 has.
inline void broadcast(Communicator& ranks, void* data, size_t bytes, const char* what) {
  for (int distance = 1; distance < ranks.size(); distance *= 2) {
    // Those below `distance` have it, and each gives it to one more.
    if (ranks.rank() < distance) {
      const int peer = ranks.rank() + distance;
      if (peer < ranks.size()) ranks.send(peer, data, bytes, what);
    } else if (ranks.rank() < 2 * distance) {
      ranks.receive(ranks.rank() - distance, data, bytes, what);
    }
  }
}

// Replaces data by combine(lower rank's, higher rank's), element by element, over all ranks, neighbours first. Of
// little data: it goes to rank 0, which adds up, and back, in as few turns as can be.
template <class T, class Combine>
void all_reduce(Communicator& ranks, T* data, int64_t count, std::vector<T>* scratch, const char* what,
                Combine combine) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(T);
  for (int distance = 1; distance < ranks.size(); distance *= 2) {
    if ((ranks.rank() & distance) != 0) {
      ranks.send(ranks.rank() - distance, data, bytes, what);
      break;
    }
    const int peer = ranks.rank() + distance;
    if (peer >= ranks.size()) continue;
    scratch->resize(static_cast<size_t>(count));
    ranks.receive(peer, scratch->data(), bytes, what);
    for (int64_t i = 0; i < count; ++i) data[i] = combine(data[i], (*scratch)[static_cast<size_t>(i)]);
  }
  broadcast(ranks, data, bytes, what);
}

template <class T>
void sum_over(Communicator& ranks, T* data, int64_t count, std::vector<T>* scratch, const char* what) {
  all_reduce(ranks, data, count, scratch, what, [](T a, T b) { return a + b; });
}

inline void unite(Communicator& ranks, uint8_t* flags, int64_t count, std::vector<uint8_t>* scratch, const char* what) {
  all_reduce(ranks, flags, count, scratch, what, [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a | b); });
}

}  // namespace burgeon
