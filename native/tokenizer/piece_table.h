// Distinct pieces of text, numbered from 0 in the order they came: the words of a training text, and what an encoder
// remembers. Open addressing over one pool of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace burgeon {

class PieceTable {
 public:
  PieceTable() { clear(); }

  struct Place {
    uint32_t index;
    bool is_new;
  };
  // The number of a piece, which is added if it is new. Throws Error(kData) beyond 2^30 distinct pieces.
  Place place_of(const char* piece, size_t length);

  size_t size() const { return ends_.size(); }
  const char* piece(uint32_t index) const { return bytes_.data() + begin(index); }
  size_t piece_length(uint32_t index) const { return ends_[index] - begin(index); }
  void clear();

 private:
  struct Slot {
    uint32_t hash;
    uint32_t index;
  };
  size_t begin(uint32_t index) const { return index == 0 ? 0 : ends_[index - 1]; }
  bool holds(uint32_t index, const char* piece, size_t length) const;
  void grow();

  std::vector<Slot> slots_;  // a power of two of them, at most half of them taken
  std::vector<uint64_t> ends_;
  std::vector<char> bytes_;
};

}  // namespace burgeon
