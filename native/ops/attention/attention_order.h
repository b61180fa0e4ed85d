// The order in which the blocks of attention forward take its units, a unit being a tile of queries of one pair of a
// sequence and a head. Tiles of a pair read the same keys and values, a later tile more of them, so the pairs are cut
// into groups whose keys and values stay in the second-level cache while all their tiles are taken: memory reads them
// once. Within a group the longest walks come first, so that blocks end together; and blocks take turns in alternating
// directions, so that the one with the longest walk of a round has the shortest of the next.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda {

struct TileOrder {
  int tiles;  // of a sequence, the last of which sees all keys
  int pairs;  // heads of a sequence follow each other
  int group;  // pairs

  struct Unit {
    int tile;
    int pair;
  };

  BURGEON_DEVICE int count() const { return tiles * pairs; }
  BURGEON_DEVICE Unit operator[](int index) const {
    const int of_group = tiles * group;
    const int first = index / of_group * group;
    const int size = pairs - first < group ? pairs - first : group;
    const int within = index % of_group;
    return {tiles - 1 - within / size, first + within % size};
  }
  // Of a block in a round. The last round is not whole: what is not below count() is no unit.
  BURGEON_DEVICE static int index_at(int round, int block, int blocks) {
    return round * blocks + (round % 2 == 0 ? block : blocks - 1 - block);
  }
};

// The work of the block that has most, over that of all blocks on average. That of a unit is its tiles of keys, and
// half a tile for its beginning and end.
inline double unevenness(const TileOrder& order, int blocks) {
  std::vector<int64_t> work(static_cast<size_t>(blocks), 0);
  int64_t sum = 0;
  int turn = 0;
  bool forward = true;
  for (int first = 0; first < order.pairs; first += order.group) {
    const int size = std::min(order.group, order.pairs - first);
    for (int tile = order.tiles - 1; tile >= 0; --tile) {
      for (int pair = 0; pair < size; ++pair) {
        work[static_cast<size_t>(forward ? turn : blocks - 1 - turn)] += 2 * (tile + 1) + 1;
        sum += 2 * (tile + 1) + 1;
        if (++turn == blocks) {
          turn = 0;
          forward = !forward;
        }
      }
    }
  }
  return static_cast<double>(*std::max_element(work.begin(), work.end())) * blocks / static_cast<double>(sum);
}

// The largest groups of at most `most` pairs, and no less than half of that, with which blocks end within a hundredth
// of each other, or the most even of all. Groups are multiples of `step` pairs, those that share keys and values.
inline TileOrder tile_order(int tiles, int pairs, int most, int step, int blocks) {
  if (pairs <= most) return {tiles, pairs, pairs};
  const int largest = std::max(most / step, 1) * step;
  TileOrder best{tiles, pairs, largest};
  double least = unevenness(best, blocks);
  for (int group = largest - step; 2 * group >= largest && least > 1.01; group -= step) {
    const TileOrder order{tiles, pairs, group};
    const double found = unevenness(order, blocks);
    if (found >= least) continue;
    best = order;
    least = found;
  }
  return best;
}

}  // namespace burgeon::cuda
