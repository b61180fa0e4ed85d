// tokenizer.json, the format of Hugging Face's tokenizers: reads it, checks that it fits together, and takes the
// byte-level BPE with GPT-2's split pattern out of those that have it. What a file of another kind means is left to pipeline/.

import { BurgeonError } from '../errors.ts';
import { parseJson } from '../formats/json.ts';
import { quote } from '../quote.ts';
import type { BytePairVocabulary, Merge } from './byte-pairs.ts';
import { fromPrintable, toPrintable } from './printable-bytes.ts';

/** A token that is found in text before anything else; special ones burgeon does not look for. */
export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  /** Only where no letter, digit or underscore stands beside it. */
  singleWord: boolean;
  /** White space before it, or after it, belongs to it. */
  lstrip: boolean;
  rstrip: boolean;
  /** Looked for in normalized text. */
  normalized: boolean;
}

/** What is checked of a tokenizer.json; `json` is all of it. */
export interface TokenizerJson {
  /** Where it comes from, for messages. */
  source: string;
  json: Record<string, unknown>;
  /** Tokens of the model and added ones: content by id. Ids may be missing. */
  contents: Map<number, string>;
  addedTokens: AddedToken[];
  /** Largest id + 1. */
  vocabSize: number;
}

/** A larger id is taken for damage. */
const maxVocabSize = 2 ** 24;

const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * @param source     where the text comes from, for messages.
 * @param moreTokens added tokens that the configuration beside it has; the file's own count where both have one.
 * @throws {BurgeonError} ERR_BURGEON_DATA when it is not JSON, has no vocabulary, gives an id twice, or has merges of
 *   what are not tokens.
 */
export function parseTokenizerJson(
  text: string,
  source: string,
  moreTokens: readonly AddedToken[] = [],
): TokenizerJson {
  let json: Record<string, unknown>;
  try {
    json = asObject(parseJson(text));
  } catch (cause) {
    throw damaged(source, `expected JSON, but ${(cause as Error).message}`);
  }
  const model = asObject(json.model);
  const addedTokens = readAddedTokens(json.added_tokens, source);
  const own = new Set(addedTokens.map(({ id }) => id));
  addedTokens.push(...moreTokens.filter(({ id }) => !own.has(id)));
  const contents = readVocabulary(model.vocab, source);
  checkAddedIds(addedTokens, contents, source);
  for (const { id, content } of addedTokens) contents.set(id, content);
  if (isBytePairs(model)) checkMerges(model, contents, source);
  let vocabSize = 0;
  for (const id of contents.keys()) vocabSize = Math.max(vocabSize, id + 1);
  return { source, json, contents, addedTokens, vocabSize };
}

/**
 * The vocabulary of byte-level BPE with GPT-2's split pattern and nothing else that would change text or tokens;
 * undefined for any other tokenizer. Special tokens have no bytes: no text becomes one; nor have added ones that merges do not
 * make.
 * @throws {BurgeonError} ERR_BURGEON_DATA for merges that come twice or whose parts nothing makes.
 */
export function bytePairVocabulary(file: TokenizerJson): BytePairVocabulary | undefined {
  const { source, json, addedTokens, vocabSize } = file;
  const model = asObject(json.model);
  const isPlain =
    isBytePairs(model) &&
    !json.normalizer &&
    splitsLikeGpt2(json.pre_tokenizer) &&
    asObject(json.decoder).type === 'ByteLevel' &&
    !(model.dropout || model.ignore_merges || model.byte_fallback) &&
    !(model.continuing_subword_prefix || model.end_of_word_suffix);
  if (!isPlain) return undefined;

  const special = new Set(addedTokens.filter((token) => token.special).map(({ id }) => id));
  const added = new Set(addedTokens.map(({ id }) => id));
  const idOf = new Map(Object.entries(model.vocab as Record<string, number>));
  const tokens: Uint8Array[] = Array.from({ length: vocabSize }, () => new Uint8Array());
  const bytesSeen = new Set<number>();
  for (const [content, id] of idOf) {
    // A single character is text, whatever else it is used for.
    if (special.has(id) && content.length > 1) continue;
    const bytes = fromPrintable(content);
    if (bytes === undefined && added.has(id)) continue;
    if (bytes === undefined) return undefined;
    tokens[id] = bytes;
    if (bytes.length === 1) bytesSeen.add(bytes[0]!);
  }
  if (bytesSeen.size < 256) return undefined;
  const merges = bytePairParts(model).map(
    ([left, right]): Merge => [idOf.get(left)!, idOf.get(right)!, idOf.get(left + right)!],
  );
  checkMergesMakeTheirParts({ tokens, merges }, source);
  return { tokens, merges };
}

/** Both parts of every merge of a model that has been checked. */
export function bytePairParts(model: Readonly<Record<string, unknown>>): (readonly [string, string])[] {
  return (model.merges as unknown[]).map((entry) => mergeParts(entry)!);
}

export function isBytePairs(model: Record<string, unknown>): boolean {
  return model.type === 'BPE' || (model.type === undefined && 'merges' in model);
}

function readAddedTokens(value: unknown, source: string): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw damaged(source, 'expected added_tokens to be a list');
  return value.map((entry, i) => {
    const token = readAddedToken(asObject(entry), asObject(entry).id);
    if (token !== undefined) return token;
    throw damaged(source, `added_tokens[${i}]: expected an id and a content, received ${quote(entry)}`);
  });
}

/** Undefined when it has no content or the id is none. */
export function readAddedToken(entry: Readonly<Record<string, unknown>>, id: unknown): AddedToken | undefined {
  const { content } = entry;
  if (!isId(id) || typeof content !== 'string') return undefined;
  const special = entry.special === true;
  return {
    id,
    content,
    special,
    singleWord: entry.single_word === true,
    lstrip: entry.lstrip === true,
    rstrip: entry.rstrip === true,
    normalized: typeof entry.normalized === 'boolean' ? entry.normalized : !special,
  };
}

/**
 * Added tokens have the id of the vocabulary or, in their order, the ids after it. The tokenizers library gives them these ids
 * whatever the file says, so another one would mean other tokens there.
 */
function checkAddedIds(tokens: readonly AddedToken[], contents: ReadonlyMap<number, string>, source: string): void {
  const idOf = new Map([...contents].map(([id, content]) => [content, id]));
  let next = contents.size;
  for (const [i, { id, content }] of tokens.entries()) {
    const other = contents.get(id);
    if (other !== undefined && other !== content) throw damaged(source, twice(id, other, content));
    const expected = idOf.get(content) ?? next++;
    idOf.set(content, expected);
    if (id === expected) continue;
    const problem = `added_tokens[${i}]: expected id ${expected} for ${JSON.stringify(content)}, as the tokenizers library gives`;
    throw damaged(source, `${problem} it whatever stands here, found ${id}`);
  }
}

/** Vocabularies are objects (token: id) or, with scores, lists of [token, score]. */
function readVocabulary(vocab: unknown, source: string): Map<number, string> {
  const contents = new Map<number, string>();
  const add = (content: string, id: unknown) => {
    if (!isId(id)) {
      throw damaged(
        source,
        `model.vocab: expected an integer id for ${JSON.stringify(content)}, received ${quote(id)}`,
      );
    }
    const other = contents.get(id);
    if (other !== undefined) throw damaged(source, `model.vocab: ${twice(id, other, content)}`);
    contents.set(id, content);
  };
  if (Array.isArray(vocab)) for (const [id, entry] of vocab.entries()) add(String(asList(entry)[0]), id);
  else for (const [content, id] of Object.entries(asObject(vocab))) add(content, id);
  if (contents.size === 0) throw damaged(source, 'expected a vocabulary (model.vocab), found none');
  return contents;
}

/** Both parts of a merge and what it makes are tokens. */
function checkMerges(model: Record<string, unknown>, contents: ReadonlyMap<number, string>, source: string): void {
  if (!Array.isArray(model.merges)) throw damaged(source, 'expected a list of merges (model.merges), found none');
  const known = new Set(contents.values());
  // Whatever stands there: the tokenizers library cuts it by its length.
  const prefixLength = typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix.length : 0;
  for (const [i, entry] of model.merges.entries()) {
    const parts = mergeParts(entry);
    if (parts === undefined) {
      throw damaged(source, `model.merges[${i}]: expected two tokens, received ${quote(entry)}`);
    }
    const [left, right] = parts;
    const token = left + right.slice(prefixLength);
    const unknown = [left, right, token].find((part) => !known.has(part));
    if (unknown === undefined) continue;
    throw damaged(source, `model.merges[${i}]: expected tokens of the vocabulary, found ${JSON.stringify(unknown)}`);
  }
}

/**
 * Each pair is merged once, and its parts are bytes or come from other merges, in whatever order these stand. What
 * merges make is longer than their parts, so merges in the order of that length need to be looked at only once.
 */
function checkMergesMakeTheirParts({ tokens, merges }: BytePairVocabulary, source: string): void {
  const made = new Set([...tokens.keys()].filter((token) => tokens[token]!.length === 1));
  const pairs = new Map<number, number>();
  const order = [...merges.keys()].sort(
    (a, b) => tokens[merges[a]![2]]!.length - tokens[merges[b]![2]]!.length || a - b,
  );
  const text = (token: number) => JSON.stringify(toPrintable(tokens[token]!));
  for (const i of order) {
    const [left, right, token] = merges[i]!;
    const other = pairs.get(left * maxVocabSize + right);
    if (other !== undefined)
      throw damaged(source, `model.merges[${i}]: expected another pair than model.merges[${other}]`);
    pairs.set(left * maxVocabSize + right, i);
    const missing = [left, right].find((part) => !made.has(part));
    if (missing !== undefined) {
      throw damaged(
        source,
        `model.merges[${i}]: expected parts that merges make of single bytes, found ${text(missing)}; merges are missing ` +
          'or go in a circle',
      );
    }
    made.add(token);
  }
}

/** "a b", or ["a", "b"] in newer files. */
function mergeParts(entry: unknown): readonly [string, string] | undefined {
  const [left, right, more] = typeof entry === 'string' ? entry.split(' ') : asList(entry);
  const isPair = typeof left === 'string' && typeof right === 'string' && more === undefined;
  return isPair && left !== '' && right !== '' ? [left, right] : undefined;
}

/** ByteLevel with its own pattern, or with that pattern split off before it. */
function splitsLikeGpt2(preTokenizer: unknown): boolean {
  const { type, add_prefix_space, use_regex, pretokenizers } = asObject(preTokenizer);
  if (type === 'ByteLevel') return !add_prefix_space && use_regex !== false;
  if (type !== 'Sequence') return false;
  const [split, byteLevel, more] = asList(pretokenizers).map(asObject);
  return (
    more === undefined &&
    split?.type === 'Split' &&
    asObject(split.pattern).Regex === gpt2Pattern &&
    split.behavior === 'Isolated' &&
    !split.invert &&
    byteLevel?.type === 'ByteLevel' &&
    !byteLevel.add_prefix_space &&
    byteLevel.use_regex === false
  );
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < maxVocabSize;
}

function twice(id: number, one: string, other: string): string {
  return `expected each id once, found ${id} for ${JSON.stringify(one)} and ${JSON.stringify(other)}`;
}

function damaged(source: string, problem: string): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `${source}: ${problem}; the file is damaged or of a format that is not known; get it again from where the ` +
      'tokenizer comes from',
  );
}

export function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
