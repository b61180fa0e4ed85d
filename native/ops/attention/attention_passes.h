// In how many passes attention backward goes over its scores on sm_90a. In two (attention_backward_sm90.cu) blocks own
// 128 keys, and others 128 queries, so that scores are made twice: seven products, cut so finely that all
// multiprocessors end together. In one (attention_backward_whole_sm90.cu) a block owns a key and value head of a
// sequence with all its queries: five products, but a multiprocessor has whole heads, and the second-level cache must
// hold the float sums of the queries' gradients. The shape alone chooses, so that another count of multiprocessors
// changes no bits.
#pragma once

#include <cstdlib>
#include <string>

#include "core/error.h"
#include "ops/attention/attention_heads.cuh"

namespace burgeon::cuda {

constexpr int kPassRows = 128;  // of a tile

// The multiprocessors of an H100 or H200, which is as many blocks as one pass has.
constexpr int64_t kPassBlocks = 132;

// Tiles of queries that a unit of one pass may have: their sums are 32 KB each, and all blocks have 25 MB of them
// beside what lies in shared memory, half of the second-level cache.
constexpr int64_t kMostPassTiles = 8;

inline int64_t pass_tiles(const Heads& at) {
  return (at.sequence + kPassRows - 1) / kPassRows * (at.heads / at.kv_heads);
}

inline bool fits_one_pass(const Heads& at) { return at.head_size == 64 && pass_tiles(at) <= kMostPassTiles; }

// Whether whole rounds of units with five products each, and a tenth for what is not shared out at their ends, take
// less than seven products that are shared out evenly.
inline bool pays_in_one_pass(int64_t units) {
  const int64_t rounds = (units + kPassBlocks - 1) / kPassBlocks;
  return 11 * 5 * rounds * kPassBlocks < 10 * 7 * units;
}

// BURGEON_ATTENTION_PASSES, 1 or 2, chooses instead, for measurements of both; 1 where it fits.
inline bool takes_one_pass(int64_t batch, const Heads& at) {
  const char* const wanted = std::getenv("BURGEON_ATTENTION_PASSES");
  if (wanted == nullptr || *wanted == '\0') return fits_one_pass(at) && pays_in_one_pass(batch * at.kv_heads);
  const std::string passes = wanted;
  if (passes != "1" && passes != "2") {
    throw Error(ErrorCode::kCuda, "BURGEON_ATTENTION_PASSES: expected 1 or 2, received \"" + passes + "\"; unset it");
  }
  return passes == "1" && fits_one_pass(at);
}

}  // namespace burgeon::cuda
