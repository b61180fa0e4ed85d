// The order of the tiles of attention forward: each is taken once, blocks end together, and the keys and values that
// are read again are those that the second-level cache still has.
#include <algorithm>
#include <array>
#include <list>
#include <set>
#include <unordered_map>
#include <vector>

#include "ops/attention/attention_order.h"
#include "test/check.h"

namespace burgeon::test {

namespace {

using cuda::TileOrder;

// What blocks take, round by round.
std::vector<TileOrder::Unit> units_of(const TileOrder& order, int blocks) {
  std::vector<TileOrder::Unit> units;
  for (int round = 0; round * blocks < order.count(); ++round) {
    for (int block = 0; block < blocks; ++block) {
      const int index = TileOrder::index_at(round, block, blocks);
      if (index < order.count()) units.push_back(order[index]);
    }
  }
  return units;
}

// Tiles of keys and values that a cache of `capacity` of them does not have, where the one that was used longest ago
// makes room.
int64_t misses(const TileOrder& order, int blocks, size_t capacity) {
  std::list<int64_t> by_use;
  std::unordered_map<int64_t, std::list<int64_t>::iterator> places;
  int64_t count = 0;
  for (const TileOrder::Unit& unit : units_of(order, blocks)) {
    for (int tile = unit.tile; tile >= 0; --tile) {
      const int64_t key = static_cast<int64_t>(unit.pair) * order.tiles + tile;
      const auto found = places.find(key);
      if (found != places.end()) {
        by_use.erase(found->second);
      } else if (++count; places.size() == capacity) {
        places.erase(by_use.back());
        by_use.pop_back();
      }
      by_use.push_front(key);
      places[key] = by_use.begin();
    }
  }
  return count;
}

}  // namespace

TEST(cuda_attention_order_has_each_tile_once) {
  for (const int blocks : {1, 2, 5, 132}) {
    for (const auto& [tiles, pairs, most, step] : {std::array<int, 4>{1, 1, 1, 1},
                                                   {3, 7, 2, 1},
                                                   {3, 7, 100, 1},
                                                   {8, 24, 9, 4},
                                                   {5, 12, 0, 3},
                                                   {8, 768, 100, 1},
                                                   {64, 32, 6, 1}}) {
      const Note note(std::to_string(tiles) + " tiles of " + std::to_string(pairs) + " pairs, " +
                      std::to_string(blocks) + " blocks");
      const TileOrder order = cuda::tile_order(tiles, pairs, most, step, blocks);
      CHECK(order.group == pairs || order.group % step == 0);
      CHECK(order.group <= std::max(most, step));
      std::set<int> seen;
      for (const TileOrder::Unit& unit : units_of(order, blocks)) {
        CHECK(unit.tile >= 0 && unit.tile < tiles && unit.pair >= 0 && unit.pair < pairs);
        CHECK(seen.insert(unit.pair * tiles + unit.tile).second);
      }
      CHECK(seen.size() == static_cast<size_t>(tiles) * static_cast<size_t>(pairs));
      // A group is done before the next begins, and within it no walk is longer than one before.
      for (int i = 1; i < order.count(); ++i) {
        const TileOrder::Unit before = order[i - 1];
        const TileOrder::Unit unit = order[i];
        CHECK(unit.pair / order.group >= before.pair / order.group);
        CHECK(unit.tile <= before.tile || unit.pair / order.group > before.pair / order.group);
      }
    }
  }
}

// 64 sequences of 1024 tokens and 12 heads of 64 dimensions on 132 multiprocessors with 50 MB: 100 heads fill half of
// the cache. All heads at a time, longest walks first, would read keys and values four and a half times.
TEST(cuda_attention_order_reads_keys_and_values_once) {
  const int tiles = 8;
  const int pairs = 64 * 12;
  const int64_t tile_bytes = 128 * 64 * 2 * 2;
  const int most = 100;
  const size_t capacity = 50 * 1000 * 1000 / 2 / tile_bytes + 100;
  const TileOrder order = cuda::tile_order(tiles, pairs, most, 1, 132);
  CHECK(misses(order, 132, capacity) == tiles * pairs);
  CHECK(misses({tiles, pairs, pairs}, 132, capacity) * tile_bytes > 850 * 1000 * 1000);
}

TEST(cuda_attention_order_is_even) {
  struct Shape {
    int tiles, pairs, most;
    double at_most;
  };
  for (const Shape& shape : {Shape{8, 768, 100, 1.01},
                             {8, 384, 100, 1.01},
                             {16, 384, 50, 1.01},
                             {32, 128, 12, 1.01},
                             {2, 3072, 400, 1.01},
                             {8, 400, 100, 1.02},
                             {64, 32, 6, 1.08}}) {
    const Note note(std::to_string(shape.tiles) + " tiles of " + std::to_string(shape.pairs) + " pairs");
    const TileOrder order = cuda::tile_order(shape.tiles, shape.pairs, shape.most, 1, 132);
    CHECK(cuda::unevenness(order, 132) <= shape.at_most);
    CHECK(2 * order.group >= shape.most);
    // By the units themselves.
    std::vector<double> work(132, 0);
    double sum = 0;
    for (int i = 0; i < order.count(); ++i) {
      for (int block = 0; block < 132; ++block) {
        if (TileOrder::index_at(i / 132, block, 132) != i) continue;
        work[static_cast<size_t>(block)] += order[i].tile + 1.5;
        sum += order[i].tile + 1.5;
      }
    }
    CHECK_NEAR(*std::max_element(work.begin(), work.end()) * 132 / sum, cuda::unevenness(order, 132), 1e-9);
  }
}

}  // namespace burgeon::test
