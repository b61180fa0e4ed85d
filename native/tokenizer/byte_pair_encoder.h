// Text to tokens by byte pair encoding with GPT-2's split pattern. Pieces that came before are looked up rather than
// merged again: a text consists of few different ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/merges.h"
#include "tokenizer/piece_table.h"

namespace burgeon {

// One thread at a time: encoding changes what is remembered.
class BytePairEncoder {
 public:
  // `merges` in the order learned. Throws Error(kData) for a byte without a token, or a pair that comes twice.
  BytePairEncoder(const TokenBytes& tokens, const std::vector<Merge>& merges);

  // Appends the tokens of a text in UTF-8.
  void encode(const char* text, size_t length, std::vector<int32_t>& tokens);

 private:
  // Tokens of a remembered piece: [begin, begin + count) of tokens_.
  struct Range {
    uint32_t begin;
    uint32_t count;
  };
  void encode_piece(const char* piece, size_t length, std::vector<int32_t>& tokens);

  Merges merges_;
  PieceTable pieces_;
  std::vector<Range> ranges_;
  std::vector<int32_t> tokens_;
};

}  // namespace burgeon
