import { expect, test } from 'vitest';
import { tokenizerDifference } from '../../lib/tokenizer/difference.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { kinds } from './kinds.ts';
import { makeKind } from './tokens-of.ts';

type Json = Record<string, unknown>;

const chars = (characters: string) => createTokenizer({ name: 'chars', characters: [...characters] });

test('of other kinds: both names, both sizes, the first token', () => {
  expect(tokenizerDifference(createTokenizer({ name: 'gpt2' }), chars('ab'))).toMatch(
    /^gpt2 in the model, chars in the data; 50257 tokens in the model, 2 in the data; token 0 is "!" in the model, "a" in the data/,
  );
});

test('of one kind: the first token that differs', () => {
  expect(tokenizerDifference(chars('abc'), chars('abd'))).toContain('token 2 is "c" in the model, "d" in the data');
  expect(tokenizerDifference(chars('abc'), chars('ab'))).toMatch(
    /^3 tokens in the model, 2 in the data; token 2 is "c" in the model, nothing in the data$/,
  );
});

const plain = kinds['byte-level BPE, added tokens']!;

test.each<[string, (json: Json) => void, RegExp]>([
  [
    'the normalizer',
    (json) => Object.assign(json, { normalizer: { type: 'Lowercase' } }),
    /^normalizer: nothing in the model, {"type":"Lowercase"} in the data$/,
  ],
  [
    'a flag of an added token',
    ({ added_tokens }) => Object.assign((added_tokens as Json[]).at(-1)!, { lstrip: true }),
    /^added token " name " has another lstrip$/,
  ],
  [
    'the name of an added token',
    ({ added_tokens }) => Object.assign((added_tokens as Json[]).at(-1)!, { content: '<id>' }),
    /^token \d+ is " name " in the model, "<id>" in the data/,
  ],
  [
    'a merge less',
    ({ model }) => (model as { merges: unknown[] }).merges.pop(),
    /^merges: \d+ in the model, \d+ in the data$/,
  ],
  [
    'the order of merges',
    ({ model }) => (model as { merges: unknown[] }).merges.reverse(),
    /^merge 0 is ".*" in the model, ".*" in the data$/,
  ],
  [
    'an option of the model',
    ({ model }) => Object.assign(model as Json, { ignore_merges: true }),
    /^model\.ignore_merges: \w+ in the model, true in the data$/,
  ],
])('of one file: %s', (_, change, phrase) => {
  const json = structuredClone(plain.json);
  change(json);
  expect(tokenizerDifference(makeKind(plain), makeKind({ json }))).toMatch(phrase);
});

test('of the files beside it', () => {
  const config = { eos_token: '</s>', clean_up_tokenization_spaces: true };
  const one = makeKind({ ...kinds.WordLevel!, config });
  const other = makeKind({ ...kinds.WordLevel!, config: { ...config, clean_up_tokenization_spaces: false } });
  expect(tokenizerDifference(one, other)).toBe(
    'tokenizer_config.json: clean_up_tokenization_spaces: true in the model, false in the data',
  );
  expect(tokenizerDifference(one, one)).toBe('the same in other words');
});
