// What GPT-2's split pattern tells apart: letters (\p{L}), numbers (\p{N}), white space and everything else. White
// space is Unicode's White_Space, that of Hugging Face's tokenizers and of Python; JavaScript's \s has U+FEFF as well,
// and lacks U+0085. The Unicode version is that of the generated table, whatever the machine has.
#pragma once

#include <cstdint>

namespace burgeon {

enum UnicodeClass : uint8_t { kOther = 0, kLetter = 1, kNumber = 2, kSpace = 3 };

constexpr uint32_t kCodePoints = 0x110000;

// The class of every code point, kCodePoints of them; unpacked on the first call. Surrogates are kOther.
const UnicodeClass* unicode_classes();

}  // namespace burgeon
