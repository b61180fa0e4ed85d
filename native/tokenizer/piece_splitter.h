// GPT-2's pre-tokenizer (openai/gpt-2, encoder.py): cuts a text into pieces, and no token spans two of them. The
// pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// by hand: in words, an English contraction; a run of letters, of numbers or of other characters, each with the space
// before it, if any; white space, of which the last character is left to what follows if there is more than one.
#pragma once

#include <cstddef>

#include "tokenizer/unicode_class.h"

namespace burgeon {

class PieceSplitter {
 public:
  // `text` is UTF-8 and has to outlive the splitter. What is not UTF-8 belongs to some piece, too.
  PieceSplitter(const char* text, size_t length) : text_(text), length_(length), classes_(unicode_classes()) {}

  // Moves to the next piece; false at the end. Every byte of the text belongs to one piece.
  bool next();

  const char* piece() const { return text_ + begin_; }
  size_t piece_length() const { return end_ - begin_; }

 private:
  // Class and number of bytes of the character at a place.
  struct Character {
    UnicodeClass unicode_class;
    size_t length;
  };
  Character character(size_t at) const;
  // The end of the run of characters of one class that begins or continues at a place.
  size_t run_end(size_t at, UnicodeClass unicode_class) const;
  // Length of the contraction at a place that holds an apostrophe; 0 if there is none.
  size_t contraction(size_t at) const;
  size_t piece_end(size_t begin) const;
  size_t white_space_end(size_t begin) const;

  const char* text_;
  size_t length_;
  const UnicodeClass* classes_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace burgeon
