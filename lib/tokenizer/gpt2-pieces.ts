// Where a text can be cut without cutting one of the pieces that GPT-2's split pattern makes of it. The pieces themselves
// are made in native/tokenizer/piece_splitter.h, whose classes of characters are used here too, so that the two agree
// whatever Unicode version this Node has.

import { loadAddon } from '../addon/load.ts';
import { isHighSurrogate, isLowSurrogate } from './surrogates.ts';

/** Classes of native/tokenizer/unicode_class.h; letters and numbers need no name of their own here. */
const other = 0;
const space = 3;

let classes: Uint8Array | undefined;

/**
 * The last safe place to cut. A place is safe when (1) in any text the pieces meet there, and (2) what comes after it
 * does not change the pieces before it; the pieces after it never depend on what is before, as the pattern looks back
 * nowhere. Both hold between a character that is not white space and one that is, and between a letter (digit) and
 * anything that is not a letter (digit):
 * (1) inside a piece, a letter or digit is followed only by its own kind, and only white space comes before white
 * space;
 * (2) a piece that ends at the cut ended because of the class of the next character, which the end of the text replaces
 *     with the same effect; the only look-ahead follows white space, and the cut never does.
 * Places after punctuation are not safe: an apostrophe may start a contraction ('s) or end a run of punctuation.
 * @param after places up to this one need not be considered.
 * @returns 0 when there is none.
 */
export function cutPoint(text: string, after = 0): number {
  classes ??= loadAddon().binding.unicodeClasses();
  for (let at = text.length - 1; at > after; at--) {
    const unit = text.charCodeAt(at);
    // Not inside a pair, and not before half of one whose other half is still to come.
    if (isLowSurrogate(unit) && isHighSurrogate(text.charCodeAt(at - 1))) continue;
    if (isHighSurrogate(unit) && at === text.length - 1) continue;
    const left = classes[codePointBefore(text, at)]!;
    const right = classes[text.codePointAt(at)!]!;
    if (left !== right && left !== space && (left !== other || right === space)) return at;
  }
  return 0;
}

function codePointBefore(text: string, at: number): number {
  const isPair = at >= 2 && isLowSurrogate(text.charCodeAt(at - 1)) && isHighSurrogate(text.charCodeAt(at - 2));
  return text.codePointAt(isPair ? at - 2 : at - 1)!;
}
