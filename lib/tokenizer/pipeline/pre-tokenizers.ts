// Pre-tokenizers of a tokenizer.json: text to the pieces that the model encodes one by one. Behaviour as in the tokenizers
// library (Rust), which test/interop compares with.

import { toPrintable } from '../printable-bytes.ts';
import { punctuation, space, word } from './characters.ts';
import { compilePattern } from './patterns.ts';
import { behaviors, type SplitBehavior, splitText } from './split.ts';
import { countField, type Part, textField, typeOf, unsupported } from './unsupported.ts';

/** `isFirst`: the piece begins where the text to encode begins. */
export interface Piece {
  text: string;
  isFirst: boolean;
}

export type PreTokenizer = (piece: Piece) => Piece[];

const gpt2Pattern = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|${space}+(?!\\P{White_Space})|${space}+`,
  'gu',
);
const spaces = new RegExp(space, 'gu');
const words = new RegExp(`[${word}]+|[^${word}${space}]+`, 'gu');
const punctuationMark = new RegExp(`[${punctuation}]`, 'gu');

/** @throws {BurgeonError} ERR_BURGEON_DATA naming what is not supported. */
export function createPreTokenizer(part: Part | null | undefined): PreTokenizer {
  if (part === null || part === undefined) return (piece) => [piece];
  switch (typeOf(part)) {
    case 'Sequence':
      return sequence((part.pretokenizers ?? []) as Part[]);
    case 'ByteLevel':
      return byteLevel(part);
    case 'Metaspace':
      return metaspace(part);
    case 'Whitespace':
      return splitter(words, 'Removed', true);
    case 'WhitespaceSplit':
      return splitter(spaces, 'Removed');
    case 'BertPreTokenizer':
      return chain([splitter(spaces, 'Removed'), splitter(punctuationMark, 'Isolated')]);
    case 'Punctuation':
      return splitter(punctuationMark, behaviorOf(part, 'Isolated'));
    case 'Digits':
      return splitter(/\p{N}/gu, part.individual_digits ? 'Isolated' : 'Contiguous');
    case 'CharDelimiterSplit':
      return splitter(compilePattern({ String: part.delimiter }, 'pre_tokenizer CharDelimiterSplit'), 'Removed');
    case 'Split':
      return splitter(compilePattern(part.pattern, 'pre_tokenizer Split'), behaviorOf(part), part.invert === true);
    case 'FixedLength':
      return fixedLength(countField(part, 'length', 5, 1));
    default:
      throw unsupported(`pre_tokenizer ${JSON.stringify(typeOf(part))}`);
  }
}

function behaviorOf(part: Part, fallback?: SplitBehavior): SplitBehavior {
  const found = behaviors.find((behavior) => behavior === (part.behavior ?? fallback));
  if (found !== undefined) return found;
  throw unsupported(`pre_tokenizer ${typeOf(part)} with behavior ${JSON.stringify(part.behavior)}`);
}

function sequence(parts: readonly Part[]): PreTokenizer {
  return chain(parts.map(createPreTokenizer));
}

function chain(all: readonly PreTokenizer[]): PreTokenizer {
  return (piece) => all.reduce((pieces, preTokenizer) => pieces.flatMap(preTokenizer), [piece]);
}

function splitter(pattern: RegExp, behavior: SplitBehavior, invert = false): PreTokenizer {
  return ({ text, isFirst }) =>
    splitText(text, pattern, behavior, invert).map((part) => ({
      text: part.text,
      isFirst: isFirst && part.start === 0,
    }));
}

function byteLevel({ add_prefix_space, use_regex }: Part): PreTokenizer {
  const split = use_regex === false ? chain([]) : splitter(gpt2Pattern, 'Isolated');
  // The library's own default, where the file leaves it out, is true.
  const addsSpace = add_prefix_space !== false;
  return ({ text, isFirst }) =>
    split({ text: addsSpace && !text.startsWith(' ') ? ` ${text}` : text, isFirst }).map((piece) => ({
      text: toPrintable(Buffer.from(piece.text, 'utf8')),
      isFirst: piece.isFirst,
    }));
}

function metaspace(part: Part): PreTokenizer {
  const replacement = textField(part, 'replacement', '\u2581');
  const scheme = prependScheme(part);
  const pattern = compilePattern({ String: replacement }, 'pre_tokenizer Metaspace');
  const split = part.split === false ? chain([]) : splitter(pattern, 'MergedWithNext');
  return ({ text, isFirst }) => {
    const replaced = text.replaceAll(' ', replacement);
    const prepends = scheme === 'always' || (scheme === 'first' && isFirst);
    return split({ text: prepends && !replaced.startsWith(replacement) ? replacement + replaced : replaced, isFirst });
  };
}

/** Older files say `add_prefix_space` instead. */
export function prependScheme(part: Part): string {
  const scheme = textField(part, 'prepend_scheme', part.add_prefix_space === false ? 'never' : 'always');
  if (['always', 'first', 'never'].includes(scheme)) return scheme;
  throw unsupported(`Metaspace with prepend_scheme ${JSON.stringify(scheme)}`);
}

function fixedLength(length: number): PreTokenizer {
  return ({ text, isFirst }) => {
    const characters = Array.from(text);
    return Array.from({ length: Math.ceil(characters.length / length) }, (_, i) => ({
      text: characters.slice(i * length, (i + 1) * length).join(''),
      isFirst: isFirst && i === 0,
    }));
  };
}
