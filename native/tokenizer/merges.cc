#include "tokenizer/merges.h"

#include <algorithm>
#include <functional>

#include "core/error.h"

namespace burgeon {

namespace {

constexpr int32_t kNone = -1;
constexpr uint64_t kFree = ~uint64_t{0};  // no pair, as tokens are not negative
constexpr size_t kMostBytes = 0x7ffffffe;

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t hash_of(uint64_t pair) {
  const uint64_t hash = pair * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 32;
}

}  // namespace

Merges::Merges(const TokenBytes& tokens) : entries_(1024, {kFree, 0, 0}) {
  std::fill(std::begin(token_of_byte_), std::end(token_of_byte_), kNone);
  for (size_t token = 0; token < tokens.size(); ++token) {
    if (tokens[token].size() != 1) continue;
    int32_t& place = token_of_byte_[static_cast<unsigned char>(tokens[token][0])];
    if (place == kNone) place = static_cast<int32_t>(token);
  }
  const int32_t* missing = std::find(std::begin(token_of_byte_), std::end(token_of_byte_), kNone);
  if (missing != std::end(token_of_byte_)) {
    throw Error(ErrorCode::kData, "vocabulary: expected a token for each of the 256 bytes, found none for byte " +
                                      std::to_string(missing - std::begin(token_of_byte_)));
  }
}

void Merges::add(const Merge& merge) {
  const uint64_t pair = pair_of(merge.left, merge.right);
  const size_t mask = entries_.size() - 1;
  size_t at = hash_of(pair) & mask;
  for (; entries_[at].pair != kFree; at = (at + 1) & mask) {
    if (entries_[at].pair != pair) continue;
    throw Error(ErrorCode::kData, "merge " + std::to_string(count_) + ": expected another pair, found that of merge " +
                                      std::to_string(entries_[at].rank) + " again");
  }
  entries_[at] = {pair, count_++, merge.token};
  if (2 * static_cast<size_t>(count_) > entries_.size()) grow();
}

void Merges::grow() {
  std::vector<Entry> old(2 * entries_.size(), {kFree, 0, 0});
  old.swap(entries_);
  const size_t mask = entries_.size() - 1;
  for (const Entry& entry : old) {
    if (entry.pair == kFree) continue;
    size_t at = hash_of(entry.pair) & mask;
    while (entries_[at].pair != kFree) at = (at + 1) & mask;
    entries_[at] = entry;
  }
}

const Merges::Entry* Merges::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  const size_t mask = entries_.size() - 1;
  for (size_t at = hash_of(pair) & mask; entries_[at].pair != kFree; at = (at + 1) & mask) {
    if (entries_[at].pair == pair) return &entries_[at];
  }
  return nullptr;
}

void Merges::encode(const char* piece, size_t length, std::vector<int32_t>& tokens) {
  if (length > kMostBytes) throw Error(ErrorCode::kData, "text: expected less than 2 GiB without a place to cut");
  const auto end = static_cast<int32_t>(length);
  nodes_.resize(length);
  for (int32_t place = 0; place < end; ++place) {
    nodes_[place] = {token_of_byte_[static_cast<unsigned char>(piece[place])], place + 1, place - 1, kNone, kNone};
  }
  pending_.clear();
  for (int32_t place = 0; place < end; ++place) consider(place);

  while (!pending_.empty()) {
    std::pop_heap(pending_.begin(), pending_.end(), std::greater<>());
    const auto place = static_cast<int32_t>(pending_.back() & 0xffffffff);
    const auto rank = static_cast<int32_t>(pending_.back() >> 32);
    pending_.pop_back();
    // Nothing is taken out when a merge nearby changes a pair; what is left of it no longer matches the piece.
    Node& node = nodes_[place];
    if (node.rank != rank) continue;
    Node& right = nodes_[node.next];
    node.token = node.merged;
    node.next = right.next;
    right.rank = kNone;
    if (node.next < end) nodes_[node.next].previous = place;
    consider(place);
    if (node.previous >= 0) consider(node.previous);
  }
  for (int32_t place = 0; place < end; place = nodes_[place].next) tokens.push_back(nodes_[place].token);
}

void Merges::consider(int32_t place) {
  Node& node = nodes_[place];
  node.rank = kNone;
  if (static_cast<size_t>(node.next) >= nodes_.size()) return;
  const Entry* entry = find(node.token, nodes_[node.next].token);
  if (entry == nullptr) return;
  node.rank = entry->rank;
  node.merged = entry->token;
  pending_.push_back(static_cast<uint64_t>(entry->rank) << 32 | static_cast<uint32_t>(place));
  std::push_heap(pending_.begin(), pending_.end(), std::greater<>());
}

}  // namespace burgeon
