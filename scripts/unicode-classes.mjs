// Writes native/tokenizer/unicode_runs.h: which code points are letters, numbers and white space, from the Unicode data
// of the Node that runs this (node scripts/unicode-classes.mjs). Run it when the oldest supported Node gets newer data; a
// test compares the two.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** In the order of the enumeration in native/tokenizer/unicode_class.h; what none matches is class 0. */
const classes = [/\p{L}/u, /\p{N}/u, /\p{White_Space}/u];

/** code point x 4 + class, wherever the class changes. */
function runs() {
  const found = [];
  let previous;
  for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
    const character = String.fromCodePoint(codePoint);
    const unicodeClass = 1 + classes.findIndex((pattern) => pattern.test(character));
    if (unicodeClass !== previous) found.push(codePoint * 4 + unicodeClass);
    previous = unicodeClass;
  }
  return found;
}

/** Numbers in lines of at most 120 columns. */
function lines(numbers) {
  const result = [''];
  for (const number of numbers) {
    const text = `0x${number.toString(16)},`;
    if (result.at(-1).length + text.length > 115) result.push('');
    result[result.length - 1] += result.at(-1) === '' ? text : ` ${text}`;
  }
  return result.map((line) => `    ${line}`).join('\n');
}

const header = `// Made by scripts/unicode-classes.mjs from Unicode ${process.versions.unicode}; do not edit.
// code point x 4 + class (unicode_class.h), wherever the class changes.
#pragma once

#include <cstdint>

namespace burgeon {

// clang-format off
constexpr uint32_t kUnicodeRuns[] = {
${lines(runs())}
};
// clang-format on

}  // namespace burgeon
`;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
writeFileSync(path.join(root, 'native', 'tokenizer', 'unicode_runs.h'), header);
