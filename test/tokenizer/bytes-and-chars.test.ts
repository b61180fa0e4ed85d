import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBytesTokenizer } from '../../lib/tokenizer/bytes.ts';
import { charsFromText, createCharsTokenizer } from '../../lib/tokenizer/chars.ts';
import { anyText, textInPieces } from './texts.ts';

describe('bytes tokenizer', () => {
  const tokenizer = createBytesTokenizer();

  it('has the 256 bytes and no end-of-text token', () => {
    expect(tokenizer.vocabSize).toBe(256);
    expect(tokenizer.endOfText).toBeUndefined();
    expect(tokenizer.toJSON()).toEqual({ name: 'bytes' });
  });

  it('encodes to UTF-8 bytes', () => {
    expect([...tokenizer.encode('aé🤯')]).toEqual([0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0xa4, 0xaf]);
  });

  it('gives back any text, in whole and in a stream', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const tokens = tokenizer.encode(text);
        expect(tokenizer.decode(tokens)).toBe(text);
        expect(tokenizer.byteLength(tokens)).toBe(tokens.length);
        const decoder = tokenizer.decoder();
        expect(Array.from(tokens, (token) => decoder.push(token)).join('') + decoder.end()).toBe(text);
      }),
    );
  });

  it('keeps a byte order mark', () => {
    expect(tokenizer.decode([0xef, 0xbb, 0xbf, 0x61])).toBe('\uFEFFa');
  });

  it('replaces bytes that are not UTF-8', () => {
    expect(tokenizer.decode([0x61, 0xff, 0x62, 0xc3])).toBe('a\uFFFDb\uFFFD');
  });

  it('refuses tokens beyond 255', () => {
    expect(() => tokenizer.decode([256])).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining('from 0 to 255') }),
    );
    expect(() => tokenizer.byteLength([256])).toThrow(/token 256/);
  });
});

describe('chars tokenizer', () => {
  it('numbers the distinct code points of a text in order', () => {
    const tokenizer = charsFromText('banana 🤯漢\n').tokenizer();
    expect(tokenizer.toJSON()).toEqual({ name: 'chars', characters: ['\n', ' ', 'a', 'b', 'n', '漢', '🤯'] });
    expect(tokenizer.vocabSize).toBe(7);
    expect([...tokenizer.encode('nab 🤯')]).toEqual([4, 2, 3, 1, 6]);
    expect(tokenizer.decode([6, 5, 0])).toBe('🤯漢\n');
    expect(tokenizer.byteLength([6, 5, 0])).toBe(4 + 3 + 1);
  });

  it('gives back any text that it was made from', () => {
    fc.assert(
      fc.property(anyText.filter(Boolean), (text) => {
        const tokenizer = charsFromText(text).tokenizer();
        const tokens = tokenizer.encode(text);
        expect(tokens.length).toBe([...text].length);
        expect(tokenizer.decode(tokens)).toBe(text);
        expect(tokenizer.byteLength(tokens)).toBe(Buffer.byteLength(text));
        const decoder = tokenizer.decoder();
        expect(Array.from(tokens, (token) => decoder.push(token)).join('') + decoder.end()).toBe(text);
      }),
    );
  });

  it('collects the same characters from pieces, even between the halves of a pair', () => {
    fc.assert(
      fc.property(textInPieces, (pieces) => {
        const collector = charsFromText();
        for (const unit of pieces.join('').split('')) collector.add(unit);
        expect(collector.codePoints()).toEqual(charsFromText(pieces.join('')).codePoints());
      }),
    );
    expect(charsFromText('a').merge(charsFromText('ba')).codePoints()).toEqual([0x61, 0x62]);
  });

  it('takes half a surrogate pair for U+FFFD', () => {
    const tokenizer = charsFromText('a\ud83e').tokenizer();
    expect(tokenizer.toJSON()).toEqual({ name: 'chars', characters: ['a', '\uFFFD'] });
    expect([...tokenizer.encode('\udd2fa')]).toEqual([1, 0]);
  });

  it('names an unknown character and what to do', () => {
    const tokenizer = createCharsTokenizer(['a', 'b']);
    expect(() => tokenizer.encode('ab🤯')).toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/"🤯" \(U\+1F92F\).*2 characters of the vocabulary.*bytes or gpt2/),
      }),
    );
  });

  it('refuses tokens outside the vocabulary', () => {
    const tokenizer = createCharsTokenizer(['a', 'b']);
    const expected = expect.objectContaining({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining('token 2: expected an integer from 0 to 1'),
    });
    expect(() => tokenizer.decode([0, 2])).toThrow(expected);
    expect(() => tokenizer.decoder().push(2)).toThrow(expected);
    expect(() => tokenizer.byteLength([2])).toThrow(expected);
  });

  it('needs at least one character', () => {
    expect(() => charsFromText('').tokenizer()).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_DATA' }));
  });
});
