// Prompts and samples as text: what an empty prompt means, streaming, and vocabularies that do not fit.

import { describe, expect, test } from 'vitest';
import { Model } from '../../lib/model/model.ts';
import { charsFromText } from '../../lib/tokenizer/chars.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { promptTokens, sampleText } from '../../lib/train/text-sample.ts';
import { smallConfig } from '../helpers/models.ts';

const chars = charsFromText('\nabc').tokenizer();
const bytes = createTokenizer({ name: 'bytes' });

describe('promptTokens', () => {
  test('an empty prompt starts a document, as well as the vocabulary can say so', () => {
    expect([...promptTokens(createTokenizer({ name: 'gpt2' }), '')]).toEqual([50256]);
    expect([...promptTokens(bytes, '')]).toEqual([10]);
    expect([...promptTokens(chars, '')]).toEqual([0]);
    expect([...promptTokens(charsFromText('abc').tokenizer(), '')]).toEqual([0]);
  });

  test('any other prompt is encoded', () => {
    expect([...promptTokens(chars, 'cab')]).toEqual([3, 1, 2]);
    expect(() => promptTokens(chars, 'cabs')).toThrow('character "s"');
  });
});

describe('sampleText', () => {
  const create = (vocabSize: number) => Model.create(smallConfig({ vocabSize }), { threads: 1 });

  test('streams what it returns; the seed decides', async () => {
    using model = await create(256);
    const pieces: string[] = [];
    const options = { maxTokens: 40, seed: 5 };
    const text = await sampleText(model, bytes, 'a', { ...options, onText: (piece) => pieces.push(piece) });
    expect(pieces[0]).toBe('a');
    expect(pieces.join('')).toBe(text);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces).not.toContain('');
    expect(await sampleText(model, bytes, 'a', options)).toBe(text);
    expect(await sampleText(model, bytes, 'a', { ...options, seed: 6 })).not.toBe(text);
  });

  test('shows tokens of a padded vocabulary, which stand for nothing, as U+FFFD', async () => {
    using model = await create(64);
    const text = await sampleText(model, chars, 'a', { maxTokens: 60 });
    expect(text).toMatch(/^a[\nabc\ufffd]{60}$/);
    expect(text).toContain('\ufffd');
  });

  test("refuses a tokenizer with more tokens than the model's", async () => {
    using model = await create(64);
    await expect(sampleText(model, bytes, 'a')).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining("bytes tokenizer: expected at most the model's 64 tokens, it has 256"),
    });
  });
});
