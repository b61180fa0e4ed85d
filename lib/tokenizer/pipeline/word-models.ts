// Models that look whole pieces up, or the longest parts of them: WordLevel and WordPiece. Behaviour as in the tokenizers
// library (Rust, models/wordlevel and models/wordpiece).

import { countField, textField } from './unsupported.ts';
import { type ModelPart, type PieceEncoder, unknownId, unknownText } from './vocabulary.ts';

/** One token per piece. */
export function createWordLevelModel(model: ModelPart): PieceEncoder {
  const unknown = unknownId(model);
  return (piece, ids) => {
    const id = model.ordinary.get(piece) ?? unknown;
    if (id === undefined) throw unknownText(piece);
    ids.push(id);
  };
}

/** The longest token that begins the rest, again and again; all of a piece is unknown where there is none. */
export function createWordPieceModel(model: ModelPart): PieceEncoder {
  const { part, ordinary } = model;
  const prefix = textField(part, 'continuing_subword_prefix', '##');
  const most = countField(part, 'max_input_chars_per_word', 100);
  const unknown = unknownId(model);
  let longest = 0;
  for (const token of ordinary.keys()) longest = Math.max(longest, token.length);

  const split = (characters: readonly string[]): number[] | undefined => {
    const ids: number[] = [];
    for (let start = 0; start < characters.length; ) {
      let end = Math.min(characters.length, start + longest);
      let id: number | undefined;
      for (; end > start; end--) {
        id = ordinary.get((start > 0 ? prefix : '') + characters.slice(start, end).join(''));
        if (id !== undefined) break;
      }
      if (id === undefined) return undefined;
      ids.push(id);
      start = end;
    }
    return ids;
  };

  return (piece, ids) => {
    const characters = Array.from(piece);
    const found = characters.length > most ? undefined : split(characters);
    if (found !== undefined) ids.push(...found);
    else if (unknown !== undefined) ids.push(unknown);
    else throw unknownText(piece);
  };
}
