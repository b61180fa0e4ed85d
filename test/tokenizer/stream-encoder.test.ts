import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBytesTokenizer } from '../../lib/tokenizer/bytes.ts';
import { charsFromText } from '../../lib/tokenizer/chars.ts';
import { createGpt2Tokenizer } from '../../lib/tokenizer/gpt2.ts';
import { StreamEncoder } from '../../lib/tokenizer/stream-encoder.ts';
import type { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { textInPieces } from './texts.ts';

function encodePieces(tokenizer: Tokenizer, pieces: string[]): number[] {
  const encoder = new StreamEncoder(tokenizer);
  const tokens = pieces.flatMap((piece) => [...encoder.push(piece)]);
  return [...tokens, ...encoder.end()];
}

describe('StreamEncoder', () => {
  it.each(['gpt2', 'bytes', 'chars'])('gives the tokens of the whole text (%s)', (name) => {
    const gpt2 = createGpt2Tokenizer();
    fc.assert(
      fc.property(textInPieces, (pieces) => {
        const text = pieces.join('');
        const chars = () => charsFromText(`${text} `).tokenizer();
        const tokenizer = name === 'gpt2' ? gpt2 : name === 'bytes' ? createBytesTokenizer() : chars();
        expect(encodePieces(tokenizer, pieces)).toEqual([...tokenizer.encode(text)]);
        // Code unit by code unit, so that pairs are split too.
        expect(encodePieces(tokenizer, text.split(''))).toEqual([...tokenizer.encode(text)]);
      }),
      { numRuns: 300 },
    );
  });

  it('gives tokens as soon as they are certain', () => {
    const encoder = new StreamEncoder(createGpt2Tokenizer());
    expect([...encoder.push('Hel')]).toEqual([]);
    expect([...encoder.push('lo wor')]).toEqual([15496]);
    expect([...encoder.push('ld')]).toEqual([]);
    expect([...encoder.end()]).toEqual([995]);
    expect([...encoder.end()]).toEqual([]);
  });

  it('gives up on text that nowhere can be cut', () => {
    const encoder = new StreamEncoder(createGpt2Tokenizer());
    const letters = 'x'.repeat(2 ** 23);
    encoder.push(letters);
    encoder.push(letters);
    expect(() => encoder.push('x')).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining('word boundary') }),
    );
  });
});
