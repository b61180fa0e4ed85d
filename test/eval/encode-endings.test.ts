// The boundary between context and ending.

import { describe, expect, test } from 'vitest';
import { encodeEndings } from '../../lib/eval/encode-endings.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';

const gpt2 = createTokenizer({ name: 'gpt2' });

describe('encodeEndings', () => {
  test('context and ending together are the tokens of the whole text', () => {
    const { context, endings } = encodeEndings(gpt2, 'A man is sitting on a roof. He', [
      ' starts pulling',
      ' is using',
    ]);
    expect(gpt2.decode(context)).toBe('A man is sitting on a roof. He');
    expect(endings.map((ending) => gpt2.decode(ending))).toEqual([' starts pulling', ' is using']);
    expect([...context, ...endings[0]!]).toEqual([...gpt2.encode('A man is sitting on a roof. He starts pulling')]);
  });

  test('white space at the end of the context belongs to the ending', () => {
    const { context, endings } = encodeEndings(gpt2, 'To be, or not to \n ', ['be']);
    expect(gpt2.decode(context)).toBe('To be, or not to');
    expect(gpt2.decode(endings[0]!)).toBe(' \n be');
    // The space and its word are one token.
    expect(endings[0]!.at(-1)).toBe(gpt2.encode(' be')[0]);
  });

  test('where a token spans the boundary, the context keeps its own tokens and the ending the rest of the whole', () => {
    // "unbeliev" and "able": encoded together, other tokens than apart.
    const whole = gpt2.encode('He was unbelievably kind');
    const alone = gpt2.encode('He was unbel');
    const { context, endings } = encodeEndings(gpt2, 'He was unbel', ['ievably kind']);
    expect([...whole.subarray(0, alone.length)]).not.toEqual([...alone]);
    expect(context).toEqual(alone);
    expect(endings[0]).toEqual(whole.slice(alone.length));
  });

  test('an empty context is end-of-text', () => {
    expect(encodeEndings(gpt2, '', [' yes']).context).toEqual(Int32Array.of(50256));
    const { context, endings } = encodeEndings(gpt2, '  ', ['yes']);
    expect(context).toEqual(Int32Array.of(50256));
    expect(gpt2.decode(endings[0]!)).toBe('  yes');
    expect(() => encodeEndings(createTokenizer({ name: 'bytes' }), '', [' yes'])).toThrow(
      'context: expected text, found none, and the bytes tokenizer has no end-of-text token',
    );
  });

  test('refuses an ending that leaves no token of its own', () => {
    expect(() => encodeEndings(gpt2, 'th', ['e'])).toThrow('endings[0]: expected at least one token after the context');
  });
});
