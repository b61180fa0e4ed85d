#include "tokenizer/unicode_class.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "tokenizer/unicode_runs.h"

namespace burgeon {

const UnicodeClass* unicode_classes() {
  // One byte per code point is more than fits a cache, but a text uses few of them.
  static const std::vector<UnicodeClass> classes = [] {
    std::vector<UnicodeClass> all(kCodePoints);
    constexpr size_t count = std::size(kUnicodeRuns);
    for (size_t run = 0; run < count; ++run) {
      const uint32_t begin = kUnicodeRuns[run] / 4;
      const uint32_t end = run + 1 < count ? kUnicodeRuns[run + 1] / 4 : kCodePoints;
      std::fill(all.begin() + begin, all.begin() + end, static_cast<UnicodeClass>(kUnicodeRuns[run] % 4));
    }
    return all;
  }();
  return classes.data();
}

}  // namespace burgeon
