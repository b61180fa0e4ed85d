// Classes of characters as the tokenizers library (Rust) has them, which JavaScript's \s, \w, \d and trim() are not: U+FEFF
// is no white space there and U+0085 is, and words are those of Unicode. Pure.

/** char::is_whitespace, and \s of its regular expressions. */
export const space = '\\p{White_Space}';
/** \w, of Unicode (UTS 18). */
export const word = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';
/** is_punctuation of BertPreTokenizer and Punctuation: Unicode's, and all symbols of ASCII. */
export const punctuation = '\\p{P}!-\\/:-@\\[-`{-~';

/** Half a surrogate pair is no character, and counts as U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** Character by character, as the library does it: no final sigma. */
export function lowerCase(text: string): string {
  // Only this letter depends on what stands beside it.
  return text.includes('Σ')
    ? text
        .split('Σ')
        .map((part) => part.toLowerCase())
        .join('σ')
    : text.toLowerCase();
}
