#include "tokenizer/byte_pair_trainer.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "tokenizer/piece_splitter.h"

namespace burgeon {

namespace {

constexpr int32_t kGone = -1;
constexpr uint32_t kNone = 0xffffffff;

TokenBytes single_bytes() {
  TokenBytes tokens;
  const auto stands_for_itself = [](int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  };
  for (const bool first : {true, false}) {
    for (int byte = 0; byte < 256; ++byte) {
      if (stands_for_itself(byte) == first) tokens.emplace_back(1, static_cast<char>(byte));
    }
  }
  return tokens;
}

struct PairHash {
  size_t operator()(uint64_t pair) const {
    const uint64_t hash = pair * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
  }
};

// All different pieces one after the other, as tokens that grow. A place is that of a token's first byte; the places of
// its other bytes are gone.
class Words {
 public:
  Words(const PieceTable& pieces, const std::vector<int64_t>& counts, const TokenBytes& bytes) : counts_(counts) {
    int32_t token_of_byte[256];
    for (int32_t token = 0; token < 256; ++token) {
      token_of_byte[static_cast<unsigned char>(bytes[token][0])] = token;
    }
    size_t total = 0;
    for (uint32_t word = 0; word < pieces.size(); ++word) total += pieces.piece_length(word);
    if (total >= kNone) {
      throw Error(ErrorCode::kData, "text: expected different words of less than 4294967295 bytes in all, found " +
                                        std::to_string(total) + "; use less text");
    }
    places_.reserve(total);
    for (uint32_t word = 0; word < pieces.size(); ++word) {
      const auto begin = static_cast<uint32_t>(places_.size());
      const auto end = begin + static_cast<uint32_t>(pieces.piece_length(word));
      for (uint32_t place = begin; place < end; ++place) {
        const auto byte = static_cast<unsigned char>(pieces.piece(word)[place - begin]);
        places_.push_back(
            {token_of_byte[byte], word, place == begin ? kNone : place - 1, place + 1 == end ? kNone : place + 1});
      }
    }
  }

  uint32_t size() const { return static_cast<uint32_t>(places_.size()); }
  int32_t token(uint32_t place) const { return places_[place].token; }
  uint32_t next(uint32_t place) const { return places_[place].next; }
  uint32_t previous(uint32_t place) const { return places_[place].previous; }
  // How often the text has the word of a place.
  int64_t count(uint32_t place) const { return counts_[places_[place].word]; }

  bool has(uint32_t place, int32_t left, int32_t right) const {
    const uint32_t after = next(place);
    return token(place) == left && after != kNone && token(after) == right;
  }

  // Puts `token` in place of the pair that begins here.
  void merge(uint32_t place, int32_t token) {
    Place& left = places_[place];
    Place& right = places_[left.next];
    left.token = token;
    left.next = right.next;
    right.token = kGone;
    if (left.next != kNone) places_[left.next].previous = place;
  }

 private:
  struct Place {
    int32_t token;
    uint32_t word;
    uint32_t previous;
    uint32_t next;
  };
  const std::vector<int64_t>& counts_;
  std::vector<Place> places_;
};

// How often each pair of neighbours occurs, and where.
class Pairs {
 public:
  explicit Pairs(const Words& words) : words_(words) {
    for (uint32_t place = 0; place < words.size(); ++place) {
      if (words.next(place) != kNone) record(place);
    }
    for (const auto& [pair, occurrences] : table_) candidates_.push_back({occurrences.count, pair});
    std::make_heap(candidates_.begin(), candidates_.end());
  }

  // The pair that begins at a place has come into being.
  void add(uint32_t place) { increased_.push_back(record(place)); }
  // The pair that begins at a place is about to change.
  void remove(uint32_t place) { table_[pair_at(place)].count -= words_.count(place); }

  // Takes the most frequent pair out, of equally frequent ones the smallest, and where it may be: places in ascending
  // order, some of which have changed since. False when no pair occurs `min_count` times.
  bool take(int64_t min_count, int32_t* left, int32_t* right, std::vector<uint32_t>* places) {
    offer_increased();
    while (!candidates_.empty() && candidates_.front().count >= min_count) {
      std::pop_heap(candidates_.begin(), candidates_.end());
      const Candidate best = candidates_.back();
      candidates_.pop_back();
      const auto found = table_.find(best.pair);
      if (found == table_.end()) continue;
      if (found->second.count != best.count) {
        // Became rarer since it was offered; if it became more frequent, it was offered again.
        if (found->second.count < best.count) offer({found->second.count, best.pair});
        continue;
      }
      *left = static_cast<int32_t>(best.pair >> 32);
      *right = static_cast<int32_t>(best.pair & 0xffffffff);
      *places = std::move(found->second.places);
      found->second.places.clear();
      std::sort(places->begin(), places->end());
      return true;
    }
    return false;
  }

 private:
  struct Occurrences {
    int64_t count = 0;
    std::vector<uint32_t> places;  // and others, where the pair was once
  };
  struct Candidate {
    int64_t count;
    uint64_t pair;
    // In a heap the best comes last.
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  uint64_t pair_at(uint32_t place) const {
    return static_cast<uint64_t>(words_.token(place)) << 32 | static_cast<uint32_t>(words_.token(words_.next(place)));
  }

  uint64_t record(uint32_t place) {
    const uint64_t pair = pair_at(place);
    Occurrences& occurrences = table_[pair];
    occurrences.count += words_.count(place);
    occurrences.places.push_back(place);
    return pair;
  }

  void offer(Candidate candidate) {
    candidates_.push_back(candidate);
    std::push_heap(candidates_.begin(), candidates_.end());
  }

  void offer_increased() {
    std::sort(increased_.begin(), increased_.end());
    increased_.erase(std::unique(increased_.begin(), increased_.end()), increased_.end());
    for (const uint64_t pair : increased_) offer({table_[pair].count, pair});
    increased_.clear();
  }

  const Words& words_;
  std::unordered_map<uint64_t, Occurrences, PairHash> table_;
  std::vector<Candidate> candidates_;  // max-heap; counts may be out of date
  std::vector<uint64_t> increased_;    // pairs that became more frequent since the last take()
};

}  // namespace

void BytePairTrainer::count(const char* text, size_t length) {
  PieceSplitter splitter(text, length);
  while (splitter.next()) {
    const auto [index, is_new] = pieces_.place_of(splitter.piece(), splitter.piece_length());
    if (index >= counts_.size()) counts_.resize(index + 1);
    ++counts_[index];
  }
}

LearnedTokens BytePairTrainer::learn(int64_t vocabulary, int64_t min_count) {
  LearnedTokens result;
  result.tokens = single_bytes();
  std::unordered_map<std::string, int32_t> token_of;
  for (size_t token = 0; token < result.tokens.size(); ++token) {
    token_of.emplace(result.tokens[token], static_cast<int32_t>(token));
  }
  Words words(pieces_, counts_, result.tokens);
  Pairs pairs(words);
  learned_ = static_cast<int64_t>(result.tokens.size());

  int32_t left = 0;
  int32_t right = 0;
  std::vector<uint32_t> places;
  while (learned_ < vocabulary && !stopping_ && pairs.take(min_count, &left, &right, &places)) {
    const std::string bytes = result.tokens[left] + result.tokens[right];
    const auto [known, is_new] = token_of.emplace(bytes, static_cast<int32_t>(result.tokens.size()));
    const int32_t token = known->second;
    if (is_new) result.tokens.push_back(bytes);
    result.merges.push_back({left, right, token});
    for (const uint32_t place : places) {
      if (!words.has(place, left, right)) continue;
      const uint32_t before = words.previous(place);
      const uint32_t after = words.next(place);
      const bool is_followed = words.next(after) != kNone;
      pairs.remove(place);
      if (before != kNone) pairs.remove(before);
      if (is_followed) pairs.remove(after);
      words.merge(place, token);
      if (before != kNone) pairs.add(before);
      if (is_followed) pairs.add(place);
    }
    learned_ = static_cast<int64_t>(result.tokens.size());
  }
  return result;
}

}  // namespace burgeon
