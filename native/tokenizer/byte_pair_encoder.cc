#include "tokenizer/byte_pair_encoder.h"

#include "tokenizer/piece_splitter.h"

namespace burgeon {

namespace {

// Remembered up to this number, then forgotten all at once: about 20 MiB.
constexpr size_t kMostPieces = size_t{1} << 18;
// Longer ones are not remembered: they hardly ever come back.
constexpr size_t kMostPieceBytes = 64;

}  // namespace

BytePairEncoder::BytePairEncoder(const TokenBytes& tokens, const std::vector<Merge>& merges) : merges_(tokens) {
  for (const Merge& merge : merges) merges_.add(merge);
}

void BytePairEncoder::encode(const char* text, size_t length, std::vector<int32_t>& tokens) {
  PieceSplitter splitter(text, length);
  while (splitter.next()) encode_piece(splitter.piece(), splitter.piece_length(), tokens);
}

void BytePairEncoder::encode_piece(const char* piece, size_t length, std::vector<int32_t>& tokens) {
  if (length > kMostPieceBytes) return merges_.encode(piece, length, tokens);
  // The second holds after an encode that ran out of memory half-way.
  if (pieces_.size() == kMostPieces || ranges_.size() != pieces_.size()) {
    pieces_.clear();
    ranges_.clear();
    tokens_.clear();
  }
  const auto [index, is_new] = pieces_.place_of(piece, length);
  if (is_new) {
    const auto begin = static_cast<uint32_t>(tokens_.size());
    merges_.encode(piece, length, tokens_);
    ranges_.push_back({begin, static_cast<uint32_t>(tokens_.size()) - begin});
  }
  const Range range = ranges_[index];
  tokens.insert(tokens.end(), tokens_.begin() + range.begin, tokens_.begin() + range.begin + range.count);
}

}  // namespace burgeon
