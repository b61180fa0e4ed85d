import { expect, test } from 'vitest';
import type { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { unknownId } from '../../lib/tokenizer/unknown-id.ts';

/** All that is asked of a tokenizer. */
const tokenizer = (json: object) =>
  ({
    toJSON: () => ({ name: 'huggingface', files: { 'tokenizer.json': JSON.stringify(json) } }),
  }) as unknown as Tokenizer;

test.each([
  ['a name of the vocabulary', { model: { unk_token: '[UNK]', vocab: { a: 0, '[UNK]': 3 } } }, 3],
  ['a place in a list', { model: { unk_id: 2, vocab: [['a', 0]] } }, 2],
  [
    'an added token',
    { model: { unk_token: '<unk>', vocab: { a: 0 } }, added_tokens: [{ id: 7, content: '<unk>' }] },
    7,
  ],
  ['none', { model: { unk_token: null, vocab: { a: 0 } } }, undefined],
  ['a list without one', { model: { unk_id: null, vocab: [['a', 0]] } }, undefined],
])('%s', (_, json, expected) => expect(unknownId(tokenizer(json))).toBe(expected));

test('our own have none', () => {
  expect(unknownId({ toJSON: () => ({ name: 'bytes' }) } as unknown as Tokenizer)).toBeUndefined();
});
