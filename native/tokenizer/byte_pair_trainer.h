// Learns byte pair encoding from text: counts the pieces of GPT-2's split pattern, then again and again makes a token
// of the most frequent pair of neighbours. Equal counts: the pair of the smaller left token, then of the smaller right
// one, so that the same text gives the same tokens, in whatever order its parts come.
//
// Tokens 0 to 255 are the bytes, in the order of GPT-2's vocabulary: first those that stand for themselves in its files
// (33-126, 161-172, 174-255), then the others. With that order of equal counts, merges are those of the BpeTrainer of
// Hugging Face's tokenizers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/merges.h"
#include "tokenizer/piece_table.h"

namespace burgeon {

struct LearnedTokens {
  TokenBytes tokens;
  // In the order learned. Two merges may make the same token, "ab" + "c" and "a" + "bc" for instance.
  std::vector<Merge> merges;
};

class BytePairTrainer {
 public:
  // Counts the pieces of a text in UTF-8. Memory grows with the number of different pieces only.
  void count(const char* text, size_t length);

  size_t distinct_pieces() const { return pieces_.size(); }
  // Tokens learned so far, single bytes included; may be asked while learn() runs on another thread.
  int64_t learned() const { return learned_.load(std::memory_order_relaxed); }
  // Makes learn() on another thread return early, with what it has.
  void stop() { stopping_.store(true, std::memory_order_relaxed); }

  // Learns up to `vocabulary` tokens, at least 256; fewer when no pair is left that occurs `min_count` times. Throws
  // Error(kData) when the different pieces have 2^32 bytes or more.
  LearnedTokens learn(int64_t vocabulary, int64_t min_count);

 private:
  PieceTable pieces_;
  std::vector<int64_t> counts_;  // of each piece
  std::atomic<int64_t> learned_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace burgeon
