// Byte pair encoding of one piece of text (Sennrich, Haddow, Birch 2016; on bytes as in GPT-2): starting from single
// bytes, of all adjacent pairs the one whose merge was learned first is replaced by its token, the leftmost such pair
// first, until no pair can be merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace burgeon {

// Two neighbours and the token that replaces them.
struct Merge {
  int32_t left;
  int32_t right;
  int32_t token;
};

// Tokens whose bytes are a vocabulary; number = index. Those that no text becomes (special ones) are empty.
using TokenBytes = std::vector<std::string>;

// The merges of a vocabulary and the work space to apply them; one thread at a time.
class Merges {
 public:
  // Throws Error(kData) when a byte has no token.
  explicit Merges(const TokenBytes& tokens);

  // Adds the merge learned next. Throws Error(kData) when the pair has one already.
  void add(const Merge& merge);

  // Appends the tokens of a piece. O(n log n), so that a piece of a million letters is no trap.
  void encode(const char* piece, size_t length, std::vector<int32_t>& tokens);

 private:
  // A pair and its merge; rank = place in the order learned.
  struct Entry {
    uint64_t pair;
    int32_t rank;
    int32_t token;
  };
  // A token of the piece under way, at the place of its first byte, and the merge with the next one.
  struct Node {
    int32_t token;
    int32_t next;
    int32_t previous;
    int32_t rank;  // kNone: there is no such merge, or this token was merged into its left neighbour
    int32_t merged;
  };
  const Entry* find(int32_t left, int32_t right) const;
  void consider(int32_t place);
  void grow();

  int32_t token_of_byte_[256];
  std::vector<Entry> entries_;  // open addressing, a power of two, at most half of them taken
  int32_t count_ = 0;
  std::vector<Node> nodes_;
  std::vector<uint64_t> pending_;  // min-heap of rank x 2^32 + place
};

}  // namespace burgeon
