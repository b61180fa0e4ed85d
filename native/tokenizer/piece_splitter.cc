#include "tokenizer/piece_splitter.h"

#include <cstdint>

namespace burgeon {

bool PieceSplitter::next() {
  begin_ = end_;
  if (begin_ == length_) return false;
  end_ = piece_end(begin_);
  return true;
}

size_t PieceSplitter::piece_end(size_t begin) const {
  if (text_[begin] == '\'') {
    if (const size_t length = contraction(begin)) return begin + length;
  }
  const size_t run_begin = text_[begin] == ' ' && begin + 1 < length_ ? begin + 1 : begin;
  const auto [unicode_class, length] = character(run_begin);
  return unicode_class == kSpace ? white_space_end(begin) : run_end(run_begin + length, unicode_class);
}

size_t PieceSplitter::contraction(size_t at) const {
  const char first = at + 1 < length_ ? text_[at + 1] : '\0';
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = at + 2 < length_ ? text_[at + 2] : '\0';
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  return first == 'l' && second == 'l' ? 3 : 0;
}

size_t PieceSplitter::white_space_end(size_t begin) const {
  size_t last = begin;
  size_t end = begin;
  while (end < length_) {
    const auto [unicode_class, length] = character(end);
    if (unicode_class != kSpace) break;
    last = end;
    end += length;
  }
  return end == length_ || last == begin ? end : last;
}

size_t PieceSplitter::run_end(size_t at, UnicodeClass unicode_class) const {
  while (at < length_) {
    const auto [next, length] = character(at);
    if (next != unicode_class) break;
    at += length;
  }
  return at;
}

PieceSplitter::Character PieceSplitter::character(size_t at) const {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text_[i])); };
  const uint32_t lead = byte(at);
  if (lead < 0x80) return {classes_[lead], 1};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (length == 1 || length > length_ - at) return {kOther, 1};
  uint32_t code_point = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) code_point = code_point << 6 | (byte(at + i) & 0x3f);
  return {code_point < kCodePoints ? classes_[code_point] : kOther, length};
}

}  // namespace burgeon
