// What all ranks do together, each calling the same function with as much data. There are 1, 2, 4, 8 ... of them.
//
// Sums have the order of a binary tree whose leaves are the ranks: of 4, (0 + 1) + (2 + 3) for every element. Each rank
// sums a share of the elements (recursive halving, neighbours first) and then all collect the shares, so a rank sends
// and receives 2 (R - 1) / R of the data, and every rank has the same bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/communicator.h"

namespace burgeon {

// Replaces data by combine(lower rank's, higher rank's), element by element, over all ranks. `scratch` is kept for its
// memory.
template <class T, class Combine>
void all_reduce(Communicator& ranks, T* data, int64_t count, std::vector<T>* scratch, const char* what,
                Combine combine) {
  const auto bytes = [](int64_t elements) { return static_cast<size_t>(elements) * sizeof(T); };
  std::vector<std::pair<int64_t, int64_t>> shares{{0, count}};  // that this rank held before each exchange
  for (int distance = 1; distance < ranks.size(); distance *= 2) {
    const auto [begin, end] = shares.back();
    const int64_t middle = begin + (end - begin) / 2;
    const bool is_lower = (ranks.rank() & distance) == 0;
    const auto [kept, kept_end] = is_lower ? std::pair(begin, middle) : std::pair(middle, end);
    const auto [given, given_end] = is_lower ? std::pair(middle, end) : std::pair(begin, middle);
    scratch->resize(static_cast<size_t>(std::max<int64_t>(kept_end - kept, static_cast<int64_t>(scratch->size()))));
    ranks.exchange(ranks.rank() ^ distance, data + given, bytes(given_end - given), scratch->data(),
                   bytes(kept_end - kept), what);
    T* const own = data + kept;
    const T* const other = scratch->data();
    for (int64_t i = 0; i < kept_end - kept; ++i)
      own[i] = is_lower ? combine(own[i], other[i]) : combine(other[i], own[i]);
    shares.emplace_back(kept, kept_end);
  }
  for (int distance = ranks.size() / 2; distance > 0; distance /= 2) {
    const auto [begin, end] = shares.back();
    shares.pop_back();
    const auto [whole, whole_end] = shares.back();
    // The other has what this rank gave away.
    const auto [other, other_end] = begin == whole ? std::pair(end, whole_end) : std::pair(whole, begin);
    ranks.exchange(ranks.rank() ^ distance, data + begin, bytes(end - begin), data + other, bytes(other_end - other),
                   what);
  }
}

template <class T>
void sum_over(Communicator& ranks, T* data, int64_t count, std::vector<T>* scratch, const char* what) {
  all_reduce(ranks, data, count, scratch, what, [](T a, T b) { return a + b; });
}

inline void unite(Communicator& ranks, uint8_t* flags, int64_t count, std::vector<uint8_t>* scratch, const char* what) {
  all_reduce(ranks, flags, count, scratch, what, [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a | b); });
}

// Gives all ranks what rank 0 has.
inline void broadcast(Communicator& ranks, void* data, size_t bytes, const char* what) {
  for (int distance = 1; distance < ranks.size(); distance *= 2) {
    // Those below `distance` have it, and each gives it to one more.
    if (ranks.rank() < distance) {
      ranks.exchange(ranks.rank() + distance, data, bytes, nullptr, 0, what);
    } else if (ranks.rank() < 2 * distance) {
      ranks.exchange(ranks.rank() - distance, nullptr, 0, data, bytes, what);
    }
  }
}

}  // namespace burgeon
