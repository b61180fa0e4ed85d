#include "tokenizer/piece_table.h"

#include <cstring>

#include "core/error.h"

namespace burgeon {

namespace {

constexpr uint32_t kFree = 0xffffffff;
constexpr size_t kFirstSlots = 4096;
constexpr size_t kMostPieces = size_t{1} << 30;

// Multiplicative hashing, eight bytes at a time; the high bits are the well-mixed ones.
uint32_t hash_of(const char* piece, size_t length) {
  constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;
  uint64_t hash = length * kFactor;
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32;
  };
  for (; length >= 8; piece += 8, length -= 8) {
    uint64_t word;
    std::memcpy(&word, piece, 8);
    mix(word);
  }
  uint64_t rest = 0;
  for (size_t i = 0; i < length; ++i) rest = rest << 8 | static_cast<unsigned char>(piece[i]);
  mix(rest);
  return static_cast<uint32_t>(hash);
}

}  // namespace

void PieceTable::clear() {
  slots_.assign(kFirstSlots, {0, kFree});
  ends_.clear();
  bytes_.clear();
}

PieceTable::Place PieceTable::place_of(const char* piece, size_t length) {
  const uint32_t hash = hash_of(piece, length);
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  for (; slots_[at].index != kFree; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && holds(slots_[at].index, piece, length)) return {slots_[at].index, false};
  }
  if (size() == kMostPieces) {
    throw Error(ErrorCode::kData, "text: expected at most 1073741824 distinct words, found more; use less text");
  }
  const auto index = static_cast<uint32_t>(size());
  slots_[at] = {hash, index};
  bytes_.insert(bytes_.end(), piece, piece + length);
  ends_.push_back(bytes_.size());
  if (2 * size() > slots_.size()) grow();
  return {index, true};
}

bool PieceTable::holds(uint32_t index, const char* piece, size_t length) const {
  return piece_length(index) == length && std::memcmp(this->piece(index), piece, length) == 0;
}

void PieceTable::grow() {
  std::vector<Slot> old(2 * slots_.size(), {0, kFree});
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.index == kFree) continue;
    size_t at = slot.hash & mask;
    while (slots_[at].index != kFree) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace burgeon
