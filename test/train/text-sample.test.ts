// Prompts and samples as text: what an empty prompt means, streaming, and vocabularies that do not fit.

import { describe, expect, test } from 'vitest';
import { newSpecialIds, type SpecialIds } from '../../lib/checkpoint/special-ids.ts';
import { Model } from '../../lib/model/model.ts';
import { charsFromText } from '../../lib/tokenizer/chars.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { promptTokens, sampleText } from '../../lib/train/text-sample.ts';
import { roughen, smallConfig } from '../helpers/models.ts';
import { kinds } from '../tokenizer/kinds.ts';
import { makeKind } from '../tokenizer/tokens-of.ts';

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

  describe('ends where the model says', () => {
    /** Samples of a model with these ids, all from the same tokens. */
    async function sampled(specialIds: SpecialIds | undefined, tokenizer = chars): Promise<string> {
      using source = await create(4);
      await roughen(source);
      using model = await Model.fromContents({ ...source.contents(), specialIds }, { threads: 1 });
      return await sampleText(model, tokenizer, 'ab', { maxTokens: 60, seed: 3 });
    }
    const none = newSpecialIds(undefined);

    test('one token, several, and those of generation_config.json before those of config.json', async () => {
      const free = await sampled(none);
      expect(free).toMatch(/^ab.*c.*a.*b/s);
      const until = (pattern: RegExp) => `ab${free.slice(2).split(pattern)[0]}`;
      expect(await sampled({ config: { eos_token_id: 3 } })).toBe(until(/c/));
      expect(await sampled({ config: { eos_token_id: [1, 3] } })).toBe(until(/[ac]/));
      expect(await sampled({ config: { eos_token_id: 2 }, generation: { eos_token_id: [3] } })).toBe(until(/c/));
      expect(await sampled({ config: { eos_token_id: 3 }, generation: { temperature: 1 } })).toBe(until(/c/));
      expect(await sampled({ config: { eos_token_id: 70 } })).toBe(free);
    });

    test("else at the tokenizer's end of text", async () => {
      const ending = { ...chars, endOfText: 3 };
      const free = await sampled(none);
      expect(await sampled(none, ending)).toBe(`ab${free.slice(2).split('c')[0]}`);
      expect(await sampled({ config: { eos_token_id: 1 } }, ending)).toBe(`ab${free.slice(2).split('a')[0]}`);
    });
  });

  test('does not glue what comes to the prompt', async () => {
    for (const name of ['Llama', 'Unigram', 'WordPiece', 'WordLevel']) {
      const tokenizer = makeKind(kinds[name]!);
      using model = await create(tokenizer.vocabSize);
      const pieces: string[] = [];
      const options = { maxTokens: 12, seed: 2, onText: (piece: string) => pieces.push(piece) };
      const text = await sampleText(model, tokenizer, 'hello the', options);
      const tokens: number[] = [...tokenizer.encode('hello the')];
      for await (const token of model.generate(tokens.slice(), { maxTokens: 12, seed: 2 })) tokens.push(token);
      expect(text).toBe(tokenizer.decode(tokens));
      expect(pieces.join('')).toBe(text);
    }
  });

  test("refuses a tokenizer with more tokens than the model's", async () => {
    using model = await create(64);
    await expect(sampleText(model, bytes, 'a')).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining("bytes tokenizer: expected at most the model's 64 tokens, it has 256"),
    });
  });
});
