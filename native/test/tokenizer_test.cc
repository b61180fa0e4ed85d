// Pieces, encoding and training of byte pairs: against the definitions in plain words, and on input that no caller
// should give.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "test/check.h"
#include "tokenizer/byte_pair_encoder.h"
#include "tokenizer/byte_pair_trainer.h"
#include "tokenizer/piece_splitter.h"
#include "tokenizer/piece_table.h"
#include "tokenizer/unicode_class.h"

namespace burgeon {

namespace {

using Pieces = std::vector<std::string>;

Pieces split(const std::string& text) {
  Pieces pieces;
  PieceSplitter splitter(text.data(), text.size());
  while (splitter.next()) pieces.emplace_back(splitter.piece(), splitter.piece_length());
  return pieces;
}

std::string join(const Pieces& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

// Pseudo-random numbers that are the same everywhere.
class Numbers {
 public:
  uint32_t below(uint32_t end) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>(state_ >> 33) % end;
  }

 private:
  uint64_t state_ = 1;
};

std::string random_words(Numbers& numbers, int words, int letters) {
  std::string text;
  for (int word = 0; word < words; ++word) {
    for (uint32_t n = 1 + numbers.below(9); n > 0; --n) text += static_cast<char>('a' + numbers.below(letters));
    text += ' ';
  }
  return text;
}

struct NaiveWord {
  std::vector<int32_t> tokens;
  int64_t count;
};

// Training as the header defines it: count all pairs, merge the best in every word, and again.
std::vector<Merge> learn_slowly(const std::string& text, TokenBytes tokens, size_t vocabulary, int64_t min_count) {
  std::map<std::string, int64_t> counts;
  for (const std::string& piece : split(text)) ++counts[piece];
  std::vector<NaiveWord> words;
  for (const auto& [piece, count] : counts) {
    NaiveWord word{{}, count};
    for (const char byte : piece) {
      word.tokens.push_back(
          static_cast<int32_t>(std::find(tokens.begin(), tokens.end(), std::string(1, byte)) - tokens.begin()));
    }
    words.push_back(word);
  }
  std::vector<Merge> merges;
  while (tokens.size() < vocabulary) {
    std::map<std::pair<int32_t, int32_t>, int64_t> pairs;
    for (const NaiveWord& word : words) {
      for (size_t i = 1; i < word.tokens.size(); ++i) pairs[{word.tokens[i - 1], word.tokens[i]}] += word.count;
    }
    std::pair<int32_t, int32_t> best;
    int64_t most = min_count - 1;
    for (const auto& [pair, count] : pairs) {  // in ascending order, so the smallest of equals stays
      if (count > most) {
        best = pair;
        most = count;
      }
    }
    if (most < min_count) break;
    const std::string bytes = tokens[best.first] + tokens[best.second];
    const auto found = std::find(tokens.begin(), tokens.end(), bytes);
    const auto token = static_cast<int32_t>(found - tokens.begin());
    if (found == tokens.end()) tokens.push_back(bytes);
    merges.push_back({best.first, best.second, token});
    for (NaiveWord& word : words) {
      std::vector<int32_t> merged;
      for (size_t i = 0; i < word.tokens.size(); ++i) {
        const bool is_pair =
            i + 1 < word.tokens.size() && word.tokens[i] == best.first && word.tokens[i + 1] == best.second;
        merged.push_back(is_pair ? token : word.tokens[i]);
        if (is_pair) ++i;
      }
      word.tokens = merged;
    }
  }
  return merges;
}

bool equal(const std::vector<Merge>& a, const std::vector<Merge>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Merge& x, const Merge& y) {
    return x.left == y.left && x.right == y.right && x.token == y.token;
  });
}

LearnedTokens learn(const std::string& text, int64_t vocabulary, int64_t min_count) {
  BytePairTrainer trainer;
  trainer.count(text.data(), text.size());
  return trainer.learn(vocabulary, min_count);
}

TEST(tokenizer_unicode_classes) {
  const UnicodeClass* classes = unicode_classes();
  CHECK(classes['a'] == kLetter && classes[0xe9] == kLetter && classes[0x6f22] == kLetter &&
        classes[0x1d49c] == kLetter);
  CHECK(classes['7'] == kNumber && classes[0x2167] == kNumber);
  CHECK(classes[' '] == kSpace && classes['\n'] == kSpace && classes[0x85] == kSpace && classes[0x3000] == kSpace);
  CHECK(classes['!'] == kOther && classes[0] == kOther && classes[0xfeff] == kOther && classes[0xd800] == kOther &&
        classes[kCodePoints - 1] == kOther);
}

TEST(tokenizer_pieces) {
  CHECK(split("") == Pieces());
  CHECK(split("Hello, world!") == Pieces({"Hello", ",", " world", "!"}));
  CHECK(split("it's we'll I'd they've you're I'm can't") ==
        Pieces({"it", "'s", " we", "'ll", " I", "'d", " they", "'ve", " you", "'re", " I", "'m", " can", "'t"}));
  CHECK(split("'S '''l'x'") == Pieces({"'", "S", " '''", "l", "'", "x", "'"}));
  CHECK(split("x = 42km") == Pieces({"x", " =", " 42", "km"}));
  CHECK(split("a  b\n\nc \n") == Pieces({"a", " ", " b", "\n", "\n", "c", " \n"}));
  CHECK(split("  ") == Pieces({"  "}));
  CHECK(split(" \xe3\x80\x80x") == Pieces({" ", "\xe3\x80\x80", "x"}));
  CHECK(split("d\xc3\xa9j\xc3\xa0 \xf0\x9f\xa4\xaf!") == Pieces({"d\xc3\xa9j\xc3\xa0", " \xf0\x9f\xa4\xaf!"}));
}

TEST(tokenizer_pieces_of_what_is_no_text) {
  Numbers numbers;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (uint32_t n = numbers.below(12); n > 0; --n)
      bytes += static_cast<char>(numbers.below(4) ? 0x80 + numbers.below(128) : numbers.below(128));
    CHECK(join(split(bytes)) == bytes);
  }
  CHECK(split("a\xf0\x9f") == Pieces({"a", "\xf0\x9f"}));
}

TEST(tokenizer_piece_table) {
  PieceTable table;
  Numbers numbers;
  std::map<std::string, uint32_t> expected;
  for (int i = 0; i < 50'000; ++i) {
    const std::string piece = random_words(numbers, 1, 4) + std::string(numbers.below(3), '\0');
    const auto [index, is_new] = table.place_of(piece.data(), piece.size());
    const auto [entry, was_new] = expected.emplace(piece, static_cast<uint32_t>(expected.size()));
    CHECK(is_new == was_new && index == entry->second);
  }
  CHECK(table.size() == expected.size());
  for (const auto& [piece, index] : expected) {
    CHECK(std::string(table.piece(index), table.piece_length(index)) == piece);
  }
  table.clear();
  CHECK(table.size() == 0);
  CHECK(table.place_of("x", 1).is_new);
}

TEST(tokenizer_training_follows_its_definition) {
  Numbers numbers;
  const TokenBytes single = learn("", 256, 1).tokens;
  CHECK(single.size() == 256 && single[0] == "!" && single[220] == " ");
  for (int round = 0; round < 30; ++round) {
    // Two or three letters: pairs overlap ("aaa") and the same bytes come about in several ways.
    const std::string text = random_words(numbers, 60, 2 + round % 2);
    const int64_t min_count = 1 + round % 3;
    const LearnedTokens learned = learn(text, 320, min_count);
    CHECK(equal(learned.merges, learn_slowly(text, single, 320, min_count)));
    CHECK(learned.tokens.size() <= 320);
  }
}

TEST(tokenizer_training_does_not_depend_on_order) {
  Numbers numbers;
  const std::string one = random_words(numbers, 500, 5);
  const std::string two = random_words(numbers, 500, 5);
  BytePairTrainer forward;
  BytePairTrainer backward;
  for (const std::string* text : {&one, &two}) forward.count(text->data(), text->size());
  for (const std::string* text : {&two, &one}) backward.count(text->data(), text->size());
  CHECK(equal(forward.learn(400, 2).merges, backward.learn(400, 2).merges));
}

TEST(tokenizer_training_breaks_ties_by_the_smaller_pair) {
  // All pairs occur twice or once; 'a' is the smallest left token, then 'b', and the space comes after all letters.
  const LearnedTokens learned = learn("cd cd ab ab bd bd", 258, 2);
  CHECK(learned.tokens[256] == "ab" && learned.tokens[257] == "bd");
}

TEST(tokenizer_training_encodes_what_it_learned) {
  Numbers numbers;
  const std::string text = random_words(numbers, 3000, 6);
  const LearnedTokens learned = learn(text, 1000, 1);
  CHECK(learned.tokens.size() == 1000);
  BytePairEncoder encoder(learned.tokens, learned.merges);
  for (size_t token = 0; token < learned.tokens.size(); ++token) {
    std::vector<int32_t> tokens;
    const std::string& bytes = learned.tokens[token];
    // Alone it is one piece, unless it is half of a character.
    if (split(bytes).size() != 1) continue;
    encoder.encode(bytes.data(), bytes.size(), tokens);
    CHECK(tokens == std::vector<int32_t>({static_cast<int32_t>(token)}));
  }
  std::vector<int32_t> tokens;
  encoder.encode(text.data(), text.size(), tokens);
  std::string decoded;
  for (const int32_t token : tokens) decoded += learned.tokens[token];
  CHECK(decoded == text);
}

TEST(tokenizer_training_takes_long_words_in_its_stride) {
  std::string text(300'000, 'x');
  Numbers numbers;
  for (int i = 0; i < 300'000; ++i) text += static_cast<char>('a' + numbers.below(26));
  CHECK(learn(text, 1000, 2).tokens.size() == 1000);
}

TEST(tokenizer_training_stops_when_told) {
  BytePairTrainer trainer;
  trainer.count("aaaa aaaa", 9);
  trainer.stop();
  CHECK(trainer.learn(1000, 1).merges.empty());
  CHECK(trainer.learned() == 256);
}

TEST(tokenizer_encoder_forgets_and_goes_on) {
  const LearnedTokens learned = learn("the cat the cat the cat", 260, 2);
  BytePairEncoder encoder(learned.tokens, learned.merges);
  std::vector<int32_t> before;
  encoder.encode("the cat", 7, before);
  std::string many;
  for (int i = 0; i < 600'000; ++i) many += std::to_string(i) + "\n";
  std::vector<int32_t> tokens;
  encoder.encode(many.data(), many.size(), tokens);
  std::string decoded;
  for (const int32_t token : tokens) decoded += learned.tokens[token];
  CHECK(decoded == many);
  std::vector<int32_t> after;
  encoder.encode("the cat", 7, after);
  CHECK(before == after && before.size() < 7);
}

TEST(tokenizer_encoder_refuses_what_is_no_vocabulary) {
  CHECK_ERROR(ErrorCode::kData, "vocabulary: expected a token for each of the 256 bytes, found none for byte 0",
              BytePairEncoder({}, {}));
  const TokenBytes single = learn("", 256, 1).tokens;
  CHECK_ERROR(ErrorCode::kData, "merge 1: expected another pair, found that of merge 0 again",
              BytePairEncoder(single, {{1, 2, 3}, {1, 2, 4}}));
}

}  // namespace

}  // namespace burgeon
