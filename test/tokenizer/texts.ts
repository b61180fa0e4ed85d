// Random texts for property tests: any characters at all, and mixtures of what a pre-tokenizer treats differently.

import fc from 'fast-check';

/** Any code points but surrogates. */
export const anyText = fc.string({ unit: 'binary' });

const fragments = [
  ...[' ', '  ', '\n', '\t', '\r\n', '\u00a0', '\u0085', '\u2028', '\u3000', '\u200b', '\uFEFF'],
  ...["'", "'s", "'t", "'re", "'ll", "'S", '’s', '!', '...', '_', '-', '<|endoftext|>', '\u0301'],
  ...['a', 'Z', 'the', ' of', 'é', 'ß', '漢', '字', 'ひらがな', 'ǅ', '𝒜', 'ª'],
  ...['7', '42', '٣', 'Ⅷ', '½', '𝟘'],
  ...['🤯', '👩‍👧', '🏳️‍🌈'],
];

/** Up to 20 fragments with different roles: spaces, contractions, letters, digits, symbols, some beyond U+FFFF. */
export const mixedText = fc.array(fc.constantFrom(...fragments), { maxLength: 20 }).map((parts) => parts.join(''));

/** A text and a way to cut it into pieces between code points. */
export const textInPieces = fc
  .tuple(fc.oneof(mixedText, anyText), fc.array(fc.nat({ max: 40 }), { maxLength: 6 }))
  .map(([text, places]) => {
    const characters = [...text];
    const cuts = [0, ...places.map((place) => Math.min(place, characters.length)), characters.length];
    cuts.sort((a, b) => a - b);
    return cuts.slice(1).map((end, i) => characters.slice(cuts[i], end).join(''));
  });
