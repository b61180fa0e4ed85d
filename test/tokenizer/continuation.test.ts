// What new tokens add to a prompt, by tokenizers that decode a text otherwise than its parts.

import { describe, expect, it } from 'vitest';
import { ContinuationDecoder } from '../../lib/tokenizer/continuation.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { kinds } from './kinds.ts';
import { makeKind } from './tokens-of.ts';

function continued(tokenizer: Tokenizer, prompt: readonly number[], more: readonly number[]): string {
  const decoder = new ContinuationDecoder(tokenizer, prompt);
  return more.map((token) => decoder.push(token)).join('') + decoder.end();
}

/** The tokens of a text, cut in two. */
function cut(tokenizer: Tokenizer, text: string, at: number): [number[], number[]] {
  const tokens = [...tokenizer.encode(text)];
  return [tokens.slice(0, at), tokens.slice(at)];
}

describe('a continuation is not glued to its prompt', () => {
  it.each([
    'Llama',
    'Llama, metaspace first',
    'Llama, metaspace always',
    'Unigram',
    'Unigram, bytes',
    'BPE, end of word',
  ])('%s', (name) => {
    const tokenizer = makeKind(kinds[name]!);
    const prompt = [...tokenizer.encode('hello the')];
    const more = [...tokenizer.encode('hello the then world')].slice(prompt.length);
    expect(continued(tokenizer, prompt, more)).toBe(' then world');
  });

  it('WordPiece', () => {
    const tokenizer = makeKind(kinds.WordPiece!);
    expect(continued(tokenizer, [...tokenizer.encode('the')], [...tokenizer.encode('unable')])).toBe(' unable');
    const able = [...tokenizer.encode('unable')].slice(1);
    expect(continued(tokenizer, [...tokenizer.encode('un')], able.length > 0 ? able : [14])).toMatch(/^\S/);
  });

  it('tokens without any decoder', () => {
    const tokenizer = makeKind(kinds.WordLevel!);
    expect(continued(tokenizer, [...tokenizer.encode('hello')], [...tokenizer.encode('world')])).toBe(' world');
  });
});

describe('cleaned-up text loses no letters', () => {
  const tokenizer = makeKind(kinds['WordPiece, clean-up']!);
  const letters = (text: string) => text.replaceAll(' ', '');

  it.each(["i do n 'know", "i do n ' t know", "the n ' m . ! do , not ' s", "do n't know", " ' ' ' the"])(
    '%s',
    (text) => {
      const whole = tokenizer.decode(tokenizer.encode(text));
      for (let at = 1; at < tokenizer.encode(text).length; at++) {
        const [prompt, more] = cut(tokenizer, text, at);
        const shown = tokenizer.decode(prompt);
        const added = continued(tokenizer, prompt, more);
        expect(letters(shown + added)).toBe(letters(whole));
        if (whole.startsWith(shown)) expect(shown + added).toBe(whole);
      }
    },
  );
});

it('text cut inside a character is whole again', () => {
  const [prompt, more] = cut(createTokenizer({ name: 'bytes' }), 'a 🤯 b', 4);
  // The prompt ends within the character, so that it shows as U+FFFD; the rest of it adds nothing.
  expect(continued(createTokenizer({ name: 'bytes' }), prompt, more)).toBe(' b');
});

it('every token is decoded once, those of the prompt twice', () => {
  const tokenizer = makeKind(kinds.Llama!);
  const counted = { tokens: 0 };
  const counting: Pick<Tokenizer, 'decode' | 'decoder'> = {
    decode(tokens) {
      counted.tokens += tokens.length;
      return tokenizer.decode(tokens);
    },
    decoder() {
      const decoder = tokenizer.decoder();
      return {
        push(token) {
          counted.tokens++;
          return decoder.push(token);
        },
        end: () => decoder.end(),
      };
    },
  };
  const decoder = new ContinuationDecoder(counting, [260, 261, 262]);
  for (let i = 0; i < 2001; i++) decoder.push(260 + (i % 40));
  decoder.end();
  expect(counted.tokens).toBe(2001 + 2 * 3);
});
