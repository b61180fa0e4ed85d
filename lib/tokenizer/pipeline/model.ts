// The model of a tokenizer.json, which makes tokens of pieces: by its type, or by what it holds in older files.

import { bytePairParts, type TokenizerJson } from '../tokenizer-json.ts';
import { createBytePairModel } from './byte-pair-model.ts';
import { createUnigramModel } from './unigram-model.ts';
import { type Part, unsupported } from './unsupported.ts';
import type { PieceEncoder } from './vocabulary.ts';
import { createWordLevelModel, createWordPieceModel } from './word-models.ts';

/** @throws {BurgeonError} ERR_BURGEON_DATA naming what is not supported. */
export function createModel({ json, contents, addedTokens }: TokenizerJson): PieceEncoder {
  const part = json.model as Part;
  const all = new Map(vocabularyEntries(part.vocab));
  for (const [id, content] of contents) all.set(content, id);
  const ordinary = new Map(vocabularyEntries(part.vocab));
  for (const { content, special } of addedTokens) {
    // A single character is text, whatever else it is used for.
    if (special && Array.from(content).length > 1) ordinary.delete(content);
  }
  const model = { part, ordinary, all };
  const type = modelType(part);
  switch (type) {
    case 'BPE':
      return createBytePairModel(model, bytePairParts(part));
    case 'WordPiece':
      return createWordPieceModel(model);
    case 'WordLevel':
      return createWordLevelModel(model);
    case 'Unigram':
      return createUnigramModel(model);
    default:
      throw unsupported(`model ${JSON.stringify(type)}`);
  }
}

function modelType(part: Part): string {
  if (typeof part.type === 'string') return part.type;
  if (Array.isArray(part.vocab)) return 'Unigram';
  if ('merges' in part) return 'BPE';
  return 'continuing_subword_prefix' in part ? 'WordPiece' : 'WordLevel';
}

/** Checked before: an object, or a list of tokens with scores. */
function vocabularyEntries(vocab: unknown): [string, number][] {
  if (!Array.isArray(vocab)) return Object.entries(vocab as Record<string, number>);
  return vocab.map(([token]: [string], id) => [token, id]);
}
