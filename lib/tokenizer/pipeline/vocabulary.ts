// What the models of a pipeline share: ids by token, how unknown text is met, and bytes such as <0x0A> in its stead.

import { BurgeonError } from '../../errors.ts';
import type { Part } from './unsupported.ts';

/** A model encodes one piece, by adding its ids to a list. */
export type PieceEncoder = (piece: string, ids: number[]) => void;

/** Of a model: its part of the file, and which of its tokens text may become. */
export interface ModelPart {
  part: Part;
  /** Token -> id, without special tokens: no text becomes one. */
  ordinary: ReadonlyMap<string, number>;
  /** Token -> id of all, for what stands for unknown text. */
  all: ReadonlyMap<string, number>;
}

/** The id that stands for unknown text, undefined where the file names none. */
export function unknownId({ part, all }: ModelPart): number | undefined {
  return typeof part.unk_token === 'string' ? all.get(part.unk_token) : undefined;
}

/** The ids of <0x0A> and its like, for every byte of a text; undefined where one is missing. */
export function byteIds(all: ReadonlyMap<string, number>, text: string): number[] | undefined {
  const ids: number[] = [];
  for (const byte of Buffer.from(text, 'utf8')) {
    const id = all.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    if (id === undefined) return undefined;
    ids.push(id);
  }
  return ids;
}

/** The library drops such text, or fails; burgeon loses nothing in silence. */
export function unknownText(piece: string): BurgeonError {
  const quoted = JSON.stringify(piece.length > 40 ? `${piece.slice(0, 40)}...` : piece);
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `text: expected what the vocabulary of the tokenizer has tokens for, found ${quoted}, and it has no token for unknown ` +
      'text; take that out of the text, or use another tokenizer',
  );
}
