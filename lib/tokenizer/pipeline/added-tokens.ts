// Added tokens in a text: they are cut out before anything else, those marked `normalized` after normalizing. Behaviour as in
// the tokenizers library (Rust, tokenizer/added_vocabulary.rs): the leftmost match, the longest of those that begin there.

import type { AddedToken } from '../tokenizer-json.ts';
import { space, word } from './characters.ts';
import type { Normalizer } from './normalizers.ts';
import { escapePattern } from './patterns.ts';

/** A part of a text: an added token, or text between such. */
export interface Section {
  text: string;
  /** Where it begins. */
  start: number;
  id?: number;
}

export type SectionSplitter = (text: string) => Section[];

const startsWithWord = new RegExp(`^[${word}]`, 'u');
const endsWithWord = new RegExp(`[${word}]$`, 'u');
const leadingSpace = new RegExp(`^${space}+`, 'u');
const isSpace = new RegExp(`^${space}$`, 'u');

/** @param contents the text by which each token is found; of equal ones the first counts. */
export function createSectionSplitter(tokens: readonly AddedToken[], contents: Normalizer): SectionSplitter {
  const byContent = new Map<string, AddedToken>();
  for (const token of tokens) {
    const content = contents(token.content);
    if (content !== '' && !byContent.has(content)) byContent.set(content, token);
  }
  if (byContent.size === 0) return (text) => (text === '' ? [] : [{ text, start: 0 }]);
  const longestFirst = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapePattern).join('|'), 'gu');
  return (text) => splitSections(text, pattern, byContent);
}

function splitSections(text: string, pattern: RegExp, tokens: ReadonlyMap<string, AddedToken>): Section[] {
  const sections: Section[] = [];
  let done = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    const token = tokens.get(match)!;
    let [start, end] = [index, index + match.length];
    if (token.singleWord && !standsAlone(text, start, end)) continue;
    if (token.lstrip) while (start > done && isSpace.test(text[start - 1]!)) start--;
    if (token.rstrip) end += leadingSpace.exec(text.slice(end))?.[0].length ?? 0;
    if (start > done) sections.push({ text: text.slice(done, start), start: done });
    sections.push({ text: text.slice(start, end), start, id: token.id });
    done = end;
  }
  if (done < text.length) sections.push({ text: text.slice(done), start: done });
  return sections;
}

function standsAlone(text: string, start: number, end: number): boolean {
  // Two units hold the last character, whatever it is.
  return (
    !endsWithWord.test(text.slice(Math.max(0, start - 2), start)) && !startsWithWord.test(text.slice(end, end + 2))
  );
}
