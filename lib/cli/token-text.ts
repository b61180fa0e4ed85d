// Tokens as text in which their boundaries can be seen. Pure but for the colours of the terminal.

import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { onStdout } from './colour.ts';

/** A token, and the text that becomes complete with it: '' for the first bytes of a character. */
export interface TextToken {
  id: number;
  text: string;
}

/** @throws {BurgeonError} ERR_BURGEON_DATA when a token is not in the vocabulary. */
export function textTokens(tokenizer: Tokenizer, ids: ArrayLike<number>): TextToken[] {
  const decoder = tokenizer.decoder();
  const tokens = Array.from(ids, (id) => ({ id, text: decoder.push(id) }));
  const rest = decoder.end();
  if (rest !== '' && tokens.length > 0) tokens.at(-1)!.text += rest;
  return tokens;
}

/**
 * The text, every second token on a ground of its own, or with "│" between tokens where there are no colours. Line breaks are
 * also shown as "⏎"; of a character in several tokens, those before the last are shown as their ids.
 */
export function markedText(tokens: readonly TextToken[]): string {
  const shown = tokens.map(({ id, text }) => (text === '' ? `‹${id}›` : visible(text)));
  if (!onStdout.hasColours) return shown.join('│');
  // Not across line breaks: a terminal would paint the rest of the line.
  return shown.map((text, i) => (i % 2 === 0 ? text : text.split('\n').map(onStdout.second).join('\n'))).join('');
}

/** Control characters as pictures of them; a line break stays one too. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => {
    if (control === '\n') return '⏎\n';
    const code = control.codePointAt(0)!;
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? '␡' : '�';
  });
}

/** A token in a table: on one line, in quotes. */
export function quotedToken({ id, text }: TextToken): string {
  return text === '' ? `‹${id}›` : `"${visible(text).replaceAll('⏎\n', '⏎')}"`;
}
