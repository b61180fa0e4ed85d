// What all ranks do together, each calling the same function with as much data. There are 1, 2, 4, 8 ... of them.
//
// Sums have the order of a binary tree whose leaves are the ranks: of 4, (0 + 1) + (2 + 3) for every element. Each rank
// sums a share of the elements (recursive halving, neighbours first) and then all collect the shares, so with equal
// shares a rank sends and receives 2 (R - 1) / R of the data, and every rank has the same bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/communicator.h"

namespace burgeon {

// The place of a rank's share among those of all: halving gives the lower half of what is left to the lower neighbour,
// so it is the rank with its bits in reverse.
inline int place_of(int rank, int size) {
  int place = 0;
  for (int distance = 1; distance < size; distance *= 2) place = 2 * place + ((rank & distance) != 0);
  return place;
}

// Where shares begin: that at place p has elements [p] to [p + 1].
using Shares = std::vector<int64_t>;

// As equal as halving makes them.
inline Shares even_shares(int64_t count, int size) {
  Shares shares(static_cast<size_t>(size) + 1, 0);
  shares.back() = count;
  for (int width = size; width > 1; width /= 2) {
    for (int first = 0; first < size; first += width) {
      const int64_t begin = shares[static_cast<size_t>(first)];
      const int64_t end = shares[static_cast<size_t>(first + width)];
      shares[static_cast<size_t>(first + width / 2)] = begin + (end - begin) / 2;
    }
  }
  return shares;
}

// The elements of places [low, high).
struct Places {
  int low;
  int high;
};

// Replaces the elements of this rank's share by combine(lower rank's, higher rank's) over all ranks, and leaves others
// in any state. `scratch` is kept for its memory.
template <class T, class Combine>
void reduce_scatter(Communicator& ranks, T* data, const Shares& shares, std::vector<T>* scratch, const char* what,
                    Combine combine) {
  Places held{0, ranks.size()};
  for (int distance = 1; distance < ranks.size(); distance *= 2) {
    const int middle = held.low + (held.high - held.low) / 2;
    const bool is_lower = (ranks.rank() & distance) == 0;
    const Places lower{held.low, middle};
    const Places upper{middle, held.high};
    held = is_lower ? lower : upper;
    const Places given = is_lower ? upper : lower;
    const auto begin_of = [&](const Places& places) { return shares[static_cast<size_t>(places.low)]; };
    const auto size_of = [&](const Places& places) {
      return shares[static_cast<size_t>(places.high)] - begin_of(places);
    };
    scratch->resize(std::max(static_cast<size_t>(size_of(held)), scratch->size()));
    ranks.exchange(ranks.rank() ^ distance, data + begin_of(given), static_cast<size_t>(size_of(given)) * sizeof(T),
                   scratch->data(), static_cast<size_t>(size_of(held)) * sizeof(T), what);
    T* const own = data + begin_of(held);
    const T* const other = scratch->data();
    const int64_t count = size_of(held);
    for (int64_t i = 0; i < count; ++i) own[i] = is_lower ? combine(own[i], other[i]) : combine(other[i], own[i]);
  }
}

// Gives all ranks every share.
template <class T>
void all_gather(Communicator& ranks, T* data, const Shares& shares, const char* what) {
  const int place = place_of(ranks.rank(), ranks.size());
  int width = 1;  // places that this rank has, from a multiple of their number on
  for (int distance = ranks.size() / 2; distance > 0; distance /= 2, width *= 2) {
    const int own = place / width * width;
    const auto at = [&](int first) { return shares[static_cast<size_t>(first)]; };
    const auto bytes_of = [&](int first) { return static_cast<size_t>(at(first + width) - at(first)) * sizeof(T); };
    ranks.exchange(ranks.rank() ^ distance, data + at(own), bytes_of(own), data + at(own ^ width),
                   bytes_of(own ^ width), what);
  }
}

// Replaces data by combine(lower rank's, higher rank's), element by element, over all ranks.
template <class T, class Combine>
void all_reduce(Communicator& ranks, T* data, int64_t count, std::vector<T>* scratch, const char* what,
                Combine combine) {
  const Shares shares = even_shares(count, ranks.size());
  reduce_scatter(ranks, data, shares, scratch, what, combine);
  all_gather(ranks, data, shares, what);
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
