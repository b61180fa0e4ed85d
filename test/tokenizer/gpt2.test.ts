import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import ranks from 'gpt-tokenizer/bpeRanks/r50k_base';
import { encode as referenceEncode } from 'gpt-tokenizer/encoding/r50k_base';
import { describe, expect, it, test } from 'vitest';
import { createGpt2Tokenizer, gpt2 } from '../../lib/tokenizer/gpt2.ts';
import { anyText, mixedText } from './texts.ts';

const tokenizer = createGpt2Tokenizer();

/** Prose, code, tables, JSON and one long line; what is in the repository or installed with it. */
const realTexts = [
  'README.md',
  'docs/benchmarks.md',
  'native/tokenizer/unicode_runs.h',
  'package-lock.json',
  'node_modules/typescript/lib/lib.es5.d.ts',
  'node_modules/typescript/lib/zh-cn/diagnosticMessages.generated.json',
  'node_modules/typescript/lib/ru/diagnosticMessages.generated.json',
];

function encodeElsewhere(text: string): number[] {
  return referenceEncode(text, { disallowedSpecial: new Set() });
}

test('the vocabulary is the one published', () => {
  const published = ranks.map((token) => (typeof token === 'string' ? Buffer.from(token) : Buffer.from(token)));
  expect(published).toHaveLength(50256);
  expect(gpt2().tokens.every((bytes, i) => published[i]!.equals(bytes))).toBe(true);
});

describe('gpt2 encoding', () => {
  // Ids as published with GPT-2 and printed by tiktoken and transformers.
  it.each([
    ['Hello world', [15496, 995]],
    ['Hello, world!', [15496, 11, 995, 0]],
    ['the the', [1169, 262]],
    ["it's", [270, 338]],
    ['', []],
    ['  ', [220, 220]],
    ['\n\n', [628]],
    ['a  b', [64, 220, 275]],
  ])('encodes %j', (text, ids) => {
    expect([...tokenizer.encode(text)]).toEqual(ids);
  });

  it('encodes the characters of a special token as ordinary text', () => {
    const tokens = [...tokenizer.encode('<|endoftext|>')];
    expect(tokens).toEqual([27, 91, 437, 1659, 5239, 91, 29]);
    expect(tokenizer.decode(tokens)).toBe('<|endoftext|>');
  });

  it('agrees with another implementation', () => {
    // The other one takes U+FEFF for white space and U+0085 for none; GPT-2 does it the other way round.
    const text = fc.oneof(mixedText, anyText).filter((value) => !/[\uFEFF\u0085]/.test(value));
    fc.assert(
      fc.property(text, (value) => {
        expect([...tokenizer.encode(value)]).toEqual(encodeElsewhere(value));
      }),
      { numRuns: 3000 },
    );
  });

  it('agrees with another implementation on half surrogate pairs, which count as U+FFFD', () => {
    const unit = fc.constantFrom('\ud83e', '\udd2f', '\ud800', '\udfff', 'a', ' ', '🤯', "'s");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (value) => {
        expect([...tokenizer.encode(value)]).toEqual(encodeElsewhere(value.replace(/\p{Surrogate}/gu, '\uFFFD')));
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with another implementation on zero bytes', () => {
    for (const text of ['\0', 'a\0b \0\0 c', '\0'.repeat(200)]) {
      expect([...tokenizer.encode(text)]).toEqual(encodeElsewhere(text));
    }
  });

  it.each(realTexts)('agrees with another implementation on %s', (path) => {
    const text = readFileSync(path, 'utf8');
    const expected = Int32Array.from(encodeElsewhere(text));
    // Twice: the second time it remembers every word.
    for (let time = 0; time < 2; time++) {
      const tokens = tokenizer.encode(text);
      expect(tokens.length).toBe(expected.length);
      expect(tokens.findIndex((token, i) => token !== expected[i])).toBe(-1);
    }
  });

  it('treats U+0085 as white space and U+FEFF not, as transformers does', () => {
    expect([...tokenizer.encode(' \uFEFF!')]).toEqual([27332, 119, 123, 0]);
    expect([...tokenizer.encode('\u0085\u0085 x')]).toEqual([126, 227, 126, 227, 2124]);
  });

  it('takes long pieces in its stride', () => {
    const letters = 'a'.repeat(1_000_000);
    const tokens = tokenizer.encode(letters);
    expect(new Set(tokens)).toEqual(new Set([24794])); // "aaaa"
    expect(tokens.length).toBe(250_000);
    expect(tokenizer.decode(tokens)).toBe(letters);
  });

  it('encodes a surrogate without partner as U+FFFD', () => {
    expect(tokenizer.decode(tokenizer.encode('a\ud83eb'))).toBe('a\uFFFDb');
  });
});

describe('gpt2 decoding', () => {
  it('gives back any text', () => {
    fc.assert(
      fc.property(fc.oneof(mixedText, anyText), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('streams what it decodes at once, for any tokens', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50256 })), (tokens) => {
        const decoder = tokenizer.decoder();
        const pieces = tokens.map((token) => decoder.push(token));
        expect(pieces.join('') + decoder.end()).toBe(tokenizer.decode(tokens));
      }),
    );
  });

  it('holds an unfinished character back', () => {
    const tokens = [...tokenizer.encode('🤯')];
    expect(tokens.length).toBeGreaterThan(1);
    const decoder = tokenizer.decoder();
    const pieces = tokens.map((token) => decoder.push(token));
    expect(pieces).toEqual([...tokens.slice(1).map(() => ''), '🤯']);
    expect(decoder.push(tokens[0]!)).toBe('');
    expect(decoder.end()).toBe('\uFFFD');
    expect(decoder.push(64)).toBe('a');
  });

  it('writes <|endoftext|> for token 50256', () => {
    expect(tokenizer.endOfText).toBe(50256);
    expect(tokenizer.decode([64, 50256, 65])).toBe('a<|endoftext|>b');
  });

  it.each([50257, -1, 0.5, Number.NaN])('refuses token %s', (token) => {
    expect(() => tokenizer.decode([token])).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining(`token ${token}`) }),
    );
    expect(() => tokenizer.decoder().push(token)).toThrow(/expected an integer from 0 to 50256/);
    expect(() => tokenizer.byteLength([token])).toThrow(/vocabulary of the gpt2 tokenizer/);
  });
});

describe('gpt2 byteLength', () => {
  it('is the UTF-8 length of the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokenizer.byteLength(tokenizer.encode(text))).toBe(Buffer.byteLength(text));
      }),
    );
  });

  it('counts endOfText as nothing', () => {
    expect(tokenizer.byteLength([50256, 15496, 50256])).toBe(5);
  });
});

describe('gpt2 cutPoint', () => {
  it.each([
    ['hello world', 5],
    ['hello ', 5],
    ['hello', 0],
    ['  ', 0],
    [' a', 0],
    ['a  ', 1],
    ["it's", 2],
    ["'s", 0],
    ['!?x', 0],
    ['漢字、', 2],
    ['12ab', 2],
    ['a🤯', 1],
    ['a🤯🤯', 1],
    ['a\ud83e', 0],
    ['', 0],
  ])('of %j is %i', (text, cut) => {
    expect(tokenizer.cutPoint(text)).toBe(cut);
  });

  it('looks only after the place it is told', () => {
    expect(tokenizer.cutPoint('a b c', 2)).toBe(3);
    expect(tokenizer.cutPoint('a b c', 3)).toBe(0);
  });

  it('is a place where cutting changes no token, whatever follows', () => {
    fc.assert(
      fc.property(mixedText, mixedText, (text, more) => {
        const cut = tokenizer.cutPoint(text);
        const inTwo = [...tokenizer.encode(text.slice(0, cut)), ...tokenizer.encode(text.slice(cut) + more)];
        expect(inTwo).toEqual([...tokenizer.encode(text + more)]);
      }),
      { numRuns: 2000 },
    );
  });
});
